import { MachineId, PlatformError } from "@microterm/protocol";
import { expect, it } from "vitest";
import type { EnvironmentRow } from "../../ports/repository.ts";
import { environmentRow } from "../../testing/environment-row.ts";
import { silentLog } from "../../testing/system.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import { type Tally, takeOver } from "./take-over.ts";

const MACHINE = MachineId.parse("m".repeat(16));
const PLANNED = environmentRow({ machineId: MACHINE });

/** What a recovery that runs beside requests finds once its driver has answered. */
function beside(now: EnvironmentRow | null, adopt: () => Promise<unknown>) {
  const only: unknown[] = [];
  const live = new Map();
  const context = {
    ...{ live, log: silentLog, destroys: new Map() },
    drivers: { of: () => ({ adopt, remove: async () => ({}) }) },
    network: { detach: async () => {} },
    rows: {
      get: async () => now,
      transition: async (...[, , , , facts]: unknown[]) => {
        only.push(facts);
        return null;
      },
    },
  } as unknown as EnvironmentContext;
  return { only, live, taking: takeOver(context, PLANNED, MACHINE, { failed: 0 } as Tally) };
}

it.each([
  ["is being stopped", { ...PLANNED, operation: "stop" as const }],
  ["was stopped", environmentRow({ state: "stopped" })],
  ["is being destroyed", { ...PLANNED, state: "destroying" as const }],
  ["is gone", null],
  ["runs on another machine", environmentRow({ machineId: MachineId.parse("n".repeat(16)) })],
])("a machine is released whose environment %s by the time it is there", async (_, now) => {
  let released = 0;
  const { live, taking } = beside(now, async () => ({ id: MACHINE, release: () => released++ }));
  expect(await taking).toBe(false);
  expect([released, live.size]).toEqual([1, 0]);
});

it("one that was found dead fails its environment only where that is what the plan was made of", async () => {
  const dead = () => Promise.reject(new PlatformError("MACHINE_BOOT_FAILED", "it is dead"));
  const { only, taking } = beside({ ...PLANNED, operation: "stop" }, dead);
  expect(await taking).toBe(false);
  expect(only).toEqual([{ operation: null, machineId: MACHINE }]);
});
