import type { EnvironmentId } from "@microterm/protocol";
import { type Context, changed } from "./context.ts";
import { keepConsole, persist, powerOff, releaseMachine } from "./machines.ts";
import { AT_REST } from "./steps.ts";

/**
 * Ends a running environment's machine and keeps its disk. The row names the operation, and why, so that a server that dies
 * in here leaves the intention behind. When `signal` aborts, the request that took over ends the machine.
 */
export async function stop(context: Context, id: EnvironmentId, signal: AbortSignal): Promise<void> {
  const { rows, driver, faults } = context;
  const row = await rows.get(id);
  if (row?.state !== "running") return;
  const live = context.live.get(id);
  if (live !== undefined) {
    if (driver.capabilities.supportsPowerOff) await powerOff(context, live.machine, signal);
    if (signal.aborted || context.closing.signal.aborted) return;
    await keepConsole(context, id, live.machine);
    context.live.delete(id);
  }
  faults.hit("stop.poweroff");
  await persist(context, signal, "stopping an environment", async () => {
    if (row.machineId !== null) await releaseMachine(context, row.machineId, live?.machine);
    faults.hit("stop.machine");
    await rows.transition(id, ["running"], "stopped", { ...AT_REST, machineId: null, saveId: null });
    faults.hit("stop.stopped");
    changed(context, row);
  });
}
