import { type EnvironmentId, type MachineId, PlatformError } from "@microterm/protocol";
import type { Machine, MachineEnd, Removed } from "../ports/vm-driver.ts";
import { settled, withDeadline } from "../time/deadline.ts";
import { causeOf } from "../words/console.ts";
import { describeError } from "../words/words.ts";
import type { Foundation } from "./foundation.ts";

export const NOTHING_REMOVED: Removed = { processes: 0, cgroups: 0, sockets: 0, files: 0, uids: 0 };

/** A daemon that was killed is back within a second or two; these tries last six. */
const REMOVE_TRIES = 6;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;

const CONSOLE_TIMEOUT_MS = 1_000;
/** 64 KiB each at most. */
const CONSOLES_KEPT = 32;

/** Removes a machine, trying again while the host does not answer. `machine` is what this process holds of it. */
export async function removeMachine(context: Foundation, id: MachineId, machine?: Machine): Promise<Removed> {
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
export async function releaseMachine(context: Foundation, id: MachineId, machine?: Machine): Promise<Removed> {
  const removed = await removeMachine(context, id, machine);
  await context.network.detach(id);
  return removed;
}

/** Whether an `adopt` says that there is no machine any more, rather than that nobody can tell. */
export function isDead(error: unknown): boolean {
  return error instanceof PlatformError && error.code === "MACHINE_BOOT_FAILED";
}

/** A machine that ended while something was done to it. */
export class MachineEnded extends PlatformError {
  readonly kind: MachineEnd["kind"];

  constructor(what: string, { kind, reason }: MachineEnd) {
    super("MACHINE_BOOT_FAILED", `${what}: ${reason}`);
    this.kind = kind;
  }
}

/** Rejects with `what` and the reason when the machine ends, for a race with what is done to it; it need not be handled. */
export function deathOf(machine: Machine, what: string): Promise<never> {
  const died = machine.ended.then((end): never => {
    throw new MachineEnded(what, end);
  });
  died.catch(() => {});
  return died;
}

/** Does something until it succeeds or `signal` aborts: for what must be finished whenever the host comes back. */
export async function persist(
  context: Foundation,
  signal: AbortSignal,
  what: string,
  run: () => Promise<void>,
): Promise<void> {
  const until = AbortSignal.any([signal, context.closing.signal]);
  for (let pauseMs = FIRST_PAUSE_MS; !until.aborted; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      return await run();
    } catch (error) {
      if (until.aborted) return;
      context.log.error(`${what} failed and is tried again`, { error: describeError(error), pauseMs });
      await context.clock.sleep(pauseMs, until).catch(() => {});
    }
  }
}

/** Keeps a machine's last console for `logs`, and resolves with the line that says why it ended. Never rejects, never waits long. */
export async function keepConsole(
  context: Foundation & { readonly consoles: Map<EnvironmentId, Uint8Array> },
  id: EnvironmentId,
  machine: Machine,
): Promise<string | null> {
  if (!context.driver.capabilities.supportsConsole) return null;
  let line: string | null = null;
  const reading = machine.console().then((tail) => {
    if (tail.length === 0) return;
    context.consoles.delete(id);
    context.consoles.set(id, tail);
    for (const oldest of context.consoles.keys()) {
      if (context.consoles.size <= CONSOLES_KEPT) break;
      context.consoles.delete(oldest);
    }
    line = causeOf(tail);
  });
  await settled(context.clock, CONSOLE_TIMEOUT_MS, reading);
  return line;
}

/** Asks the guest to power off and resolves when it has, or at the deadline. Never rejects. */
export async function powerOff(context: Foundation, machine: Machine, outer: AbortSignal): Promise<void> {
  const { clock, limits, log } = context;
  const timeoutMs = limits.powerOffDeadlineMs;
  const error = () => new Error(`the guest did not power off within ${timeoutMs / 1000} s`);
  try {
    await withDeadline({ clock, timeoutMs, error, signal: outer }, async (signal) => {
      const asking = machine.agent({ timeoutMs, signal }).then((agent) => agent.powerOff({ signal }));
      await Promise.race([machine.ended, asking.then(() => machine.ended)]);
    });
  } catch (error) {
    log.warn("the guest is killed instead of powered off", { machine: machine.id, error: describeError(error) });
  }
}
