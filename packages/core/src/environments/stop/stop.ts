import type { EnvironmentId } from "@microterm/protocol";
import { SYSTEM } from "../../access/actor.ts";
import { releaseMachine } from "../../machines/remove-machine.ts";
import { Stopwatch } from "../../time/stopwatch.ts";
import { timestamp } from "../../time/timestamp.ts";
import { AT_REST } from "../state/at-rest.ts";
import { keepConsole } from "../state/console.ts";
import { changed, type EnvironmentContext, forgetMachine } from "../state/environment-context.ts";
import { retryUntilDone } from "../state/retry.ts";
import { powerOff } from "./power-off.ts";

/**
 * Ends a running environment's machine and keeps its disk. The row names the operation, and why, so that a server that dies
 * in here leaves the intention behind. When `signal` aborts, the request that took over ends the machine.
 */
export async function stop(context: EnvironmentContext, id: EnvironmentId, signal: AbortSignal): Promise<void> {
  const { rows, faults } = context;
  const row = await rows.get(id, SYSTEM);
  if (row?.state !== "running") return;
  const driver = context.drivers.of(row);
  const stopwatch = new Stopwatch(context.clock);
  stopwatch.enter("power-off");
  const live = context.live.get(id);
  if (live !== undefined) {
    if (driver.capabilities.supportsPowerOff) await powerOff(context, live.machine, signal);
    if (signal.aborted || context.closing.signal.aborted) return;
    await keepConsole(context, id, live);
    forgetMachine(context, id);
  }
  faults.hit("stop.poweroff");
  stopwatch.enter("machine");
  await retryUntilDone(context, signal, "stopping an environment", async () => {
    if (row.machineId !== null) await releaseMachine(context, driver, { id: row.machineId, held: live?.machine });
    faults.hit("stop.machine");
    await rows.transition(id, ["running"], "stopped", {
      ...AT_REST,
      machineId: null,
      snapshotId: null,
      ranUntil: timestamp(context.clock),
    });
    faults.hit("stop.stopped");
    changed(context, row);
    const ended = { operation: "stop", machine: row.machineId, method: null, outcome: "done" } as const;
    context.observer.operationEnded({ ...ended, environment: id, ...stopwatch.read() });
  });
}
