import type { MachineId } from "@microterm/protocol";
import { describeError } from "../messages/messages.ts";
import type { Machine, Removed } from "../ports/vm-driver.ts";
import type { MachineContext } from "./machine-context.ts";

/** A daemon that was killed is back within a second or two; these tries last six. */
const REMOVE_TRIES = 6;
const FIRST_PAUSE_MS = 200;

/** Removes a machine, trying again while the host does not answer. `machine` is what this process holds of it. */
export async function removeMachine(context: MachineContext, id: MachineId, machine?: Machine): Promise<Removed> {
  for (let tries = 1, pauseMs = FIRST_PAUSE_MS; ; tries++, pauseMs *= 2) {
    try {
      return machine === undefined ? await context.driver.remove(id) : await machine.stop();
    } catch (error) {
      context.log.warn("a machine could not be removed", { machine: id, tries, error: describeError(error) });
      if (tries === REMOVE_TRIES || context.closing.signal.aborted) throw error;
      await context.clock.sleep(pauseMs, context.closing.signal);
    }
  }
}

/** Removes a machine and its network. */
export async function releaseMachine(context: MachineContext, id: MachineId, machine?: Machine): Promise<Removed> {
  const removed = await removeMachine(context, id, machine);
  await context.network.detach(id);
  return removed;
}
