import type { MachineId } from "@microterm/protocol";
import { describeError } from "../messages/describe-error.ts";
import type { Machine, Removed, VmDriver } from "../ports/vm-driver.ts";
import type { MachineContext } from "./machine-context.ts";

/** A daemon that was killed is back within a second or two; these tries last six. */
const REMOVE_TRIES = 6;
const FIRST_PAUSE_MS = 200;

export interface MachineToRemove {
  readonly id: MachineId;
  /** What this process holds of it. */
  readonly held?: Machine | null | undefined;
}

/** Removes a machine, trying again while the host does not answer. */
export async function removeMachine(
  context: Pick<MachineContext, "clock" | "log" | "closing">,
  driver: VmDriver,
  { id, held }: MachineToRemove,
): Promise<Removed> {
  for (let tries = 1, pauseMs = FIRST_PAUSE_MS; ; tries++, pauseMs *= 2) {
    try {
      return held == null ? await driver.remove(id) : await held.stop();
    } catch (error) {
      context.log.warn("a machine could not be removed", { machine: id, tries, error: describeError(error) });
      if (tries === REMOVE_TRIES || context.closing.signal.aborted) throw error;
      await context.clock.sleep(pauseMs, context.closing.signal);
    }
  }
}

/** Removes a machine and its network. */
export async function releaseMachine(
  context: MachineContext,
  driver: VmDriver,
  machine: MachineToRemove,
): Promise<Removed> {
  const removed = await removeMachine(context, driver, machine);
  await context.network.detach(machine.id);
  return removed;
}
