import { expect } from "vitest";
import type { FoundMachine, HostResources, Removed } from "../ports/vm-driver.ts";

/** What a driver may answer about its host, one whose machines run elsewhere included: null is right, and zero is not. */

export function expectRemoved({ processes, ...others }: Removed): void {
  if (processes !== null) expect(processes).toBeGreaterThan(0);
  for (const count of Object.values(others)) if (count !== null) expect(count).toBeGreaterThanOrEqual(0);
}

export function expectNothingRemoved(removed: Removed): void {
  for (const [kind, count] of Object.entries(removed))
    if (count !== null) expect({ [kind]: count }).toEqual({ [kind]: 0 });
}

export function expectFoundAlive(
  found: FoundMachine | undefined,
  wanted: Omit<FoundMachine, "alive" | "hostRebooted">,
): void {
  expect(found).toEqual({ ...wanted, alive: true, hostRebooted: found?.hostRebooted });
  expect([false, null]).toContain(found?.hostRebooted);
}

export function expectResources({ memory, disk, cpus }: HostResources): void {
  if (memory !== null) expect(memory.totalMib).toBeGreaterThanOrEqual(memory.availableMib);
  if (memory !== null) expect(memory.totalMib).toBeGreaterThan(0);
  if (disk !== null) expect(disk.freeMib).toBeGreaterThan(0);
  if (cpus !== null) expect(cpus).toBeGreaterThan(0);
}
