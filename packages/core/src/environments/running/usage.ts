import { SYSTEM } from "../../access/actor.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import type { MachineUsage } from "../../ports/vm-driver.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import { refusal } from "../state/refusal.ts";
import { agentOf } from "./guests.ts";

/** What a running environment's machine takes of its host; null where its driver does not count that. */
export async function usageOf({ drivers }: EnvironmentContext, row: EnvironmentRow): Promise<MachineUsage | null> {
  if (row.state !== "running" || row.machineId === null) throw refusal(row, "only a running one uses anything");
  return drivers.of(row).usage(row.machineId);
}

/**
 * CPU time since the machine was made, ms. The host's count where there is one: a guest that waits for a busy host's processor
 * takes that for work of its own, and may say what it likes.
 */
export async function cpuMsOf(context: EnvironmentContext, row: EnvironmentRow): Promise<number> {
  const counted = await usageOf(context, row);
  if (counted !== null) return counted.cpuMs;
  const { cpu } = await (await agentOf(context, row.id)).metrics();
  return cpu.userMs + cpu.systemMs;
}

/** Of all that run. One that ends meanwhile is left out. */
export async function totalUsage(context: EnvironmentContext): Promise<MachineUsage & { readonly machines: number }> {
  const running = (await context.rows.list(SYSTEM)).filter(
    ({ state, driver }) => state === "running" && context.drivers.find(driver) !== null,
  );
  const each = await Promise.all(running.map((row) => usageOf(context, row).catch(() => null)));
  const total = { machines: 0, cpuMs: 0, memoryBytes: 0, processes: 0 };
  for (const one of each) {
    if (one === null) continue;
    total.machines += 1;
    total.cpuMs += one.cpuMs;
    total.memoryBytes += one.memoryBytes;
    total.processes += one.processes;
  }
  return total;
}
