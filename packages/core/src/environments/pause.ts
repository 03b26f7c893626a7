import { type MachineId, PlatformError } from "@microterm/protocol";
import type { EnvironmentRow } from "../ports/repository.ts";
import type { Machine, VmSnapshots } from "../ports/vm-driver.ts";
import { withDeadline } from "../time/deadline.ts";
import { describeError } from "../words/words.ts";
import { type Context, changed, type LiveMachine, liveMachine } from "./context.ts";
import { watch } from "./ended.ts";
import { wakeOf } from "./identity.ts";
import { deathOf, isDead, keepConsole, persist, releaseMachine } from "./machines.ts";
import { dropSave } from "./saves.ts";
import { AT_REST } from "./steps.ts";

const TELL_TIME_MS = 10_000;

type Saving = EnvironmentRow & { readonly machineId: MachineId; readonly saveId: string };

/** One save: memory on its way to the host's disk. */
export interface Pause {
  readonly row: Saving;
  readonly snapshots: VmSnapshots;
  readonly signal: AbortSignal;
}

/**
 * Saves a running environment's memory and releases its machine. The row names the operation and the save, so
 * that a server that dies in here leaves both to be found. When it cannot be saved it goes on, with a notice. Where a stop was asked
 * for meanwhile, its memory is dropped, or it goes on and the caller stops it.
 */
export async function pause(context: Context, { row, snapshots, signal }: Pause): Promise<void> {
  const { faults, log } = context;
  const live = context.live.get(row.id);
  if (live === undefined || signal.aborted) return;
  // From here on no call goes to its agent: what a guest is told while it is frozen would time out.
  live.isReady = false;
  try {
    await snapshots.pause(row.machineId, row.saveId);
  } catch (error) {
    const why = describeError(error);
    log.error("an environment could not be paused and goes on", { environment: row.id, reason: why });
    live.isReady = true;
    if (signal.aborted) return;
    if (await goOn(context, row)) context.lifetimes.pauseFailed(row, why);
    changed(context, row);
    await tellTime(context, row, signal);
    return;
  }
  faults.hit("pause.saved");
  // A destroy that took over removes the machine and the save; a server that goes away leaves both to the next.
  if (signal.aborted || context.closing.signal.aborted) return;
  await keepConsole(context, row.id, live.machine);
  context.live.delete(row.id);
  await persist(context, signal, "pausing an environment", () => rest(context, row, live.machine));
}

/** Its memory is saved: notes that, or drops it where a stop was asked for meanwhile, and removes its machine. */
async function rest(context: Context, row: Saving, machine?: Machine): Promise<void> {
  const { rows } = context;
  const { id, saveId } = row;
  const isPaused = await rows.transition(id, ["running"], "paused", AT_REST, { operation: "pause", saveId });
  if (isPaused === null) {
    const dropped = { ...AT_REST, saveId: null };
    const isStopped = await rows.transition(id, ["running"], "stopped", dropped, { operation: "stop", saveId });
    if (isStopped !== null) dropSave(context, row);
  }
  changed(context, row);
  await releaseMachine(context, row.machineId, machine);
  for (const state of ["paused", "stopped"] as const) {
    await rows.transition(id, [state], state, { machineId: null }, { machineId: row.machineId });
  }
}

/** Its memory could not be saved. False where a stop was asked for meanwhile, which is yet to come. */
async function goOn({ rows }: Context, { id, saveId }: EnvironmentRow): Promise<boolean> {
  const on = { ...AT_REST, reason: null, saveId: null };
  const isOn = await rows.transition(id, ["running"], "running", on, { operation: "pause", saveId });
  if (isOn === null) {
    await rows.transition(id, ["running"], "running", { saveId: null }, { operation: "stop", saveId });
  }
  return isOn !== null;
}

/** A guest that was stopped while its save failed has lost that time. Whether it hears of it decides nothing. */
export async function tellTime(context: Context, row: EnvironmentRow, outer: AbortSignal): Promise<void> {
  const live = context.live.get(row.id);
  if (live === undefined) return;
  const error = () => new PlatformError("GUEST_UNREACHABLE", "the guest was not told the time");
  try {
    await withDeadline({ clock: context.clock, timeoutMs: TELL_TIME_MS, error, signal: outer }, async (signal) => {
      const agent = await live.machine.agent({ timeoutMs: TELL_TIME_MS, signal });
      await agent.wake(wakeOf(context), { signal });
    });
  } catch (error) {
    context.log.warn("a guest does not know how late it is", { environment: row.id, error: describeError(error) });
  }
}

/**
 * Goes on with a pause that the server was stopped in. The save may have gone on without it, and then ends the machine:
 * so the host is asked for the same save once more, which waits for the first. True unless the guest goes on instead.
 */
export async function finishPause(
  context: Context,
  row: EnvironmentRow,
  machineId: MachineId,
  signal: AbortSignal,
): Promise<boolean> {
  const { snapshots } = context;
  const { saveId } = row;
  let goesOn = false;
  await persist(context, signal, "finishing a pause", async () => {
    try {
      if (snapshots === null || saveId === null) throw new Error("nothing can be saved");
      await snapshots.pause(machineId, saveId);
    } catch (error) {
      // That is not known yet.
      if (error instanceof PlatformError && error.code === "HOST_DAEMON_UNAVAILABLE") throw error;
      const why = describeError(error);
      context.log.error("an environment could not be paused and goes on", { environment: row.id, reason: why });
      if (await goOn(context, row)) context.lifetimes.pauseFailed(row, why);
      goesOn = true;
      return;
    }
    if (signal.aborted || context.closing.signal.aborted) return;
    await rest(context, { ...row, machineId, saveId });
  });
  return !goesOn;
}

/**
 * Takes over a machine that was being resumed when the server stopped, as often as it takes: its guest may have gone on
 * already, so that its save is used up, and nothing but its own end or a refusal to wake is a reason to give it up.
 */
export async function finishResume(
  context: Context,
  row: EnvironmentRow,
  machineId: MachineId,
  outer: AbortSignal,
): Promise<void> {
  const { rows } = context;
  const signal = AbortSignal.any([outer, context.closing.signal]);
  await persist(context, signal, "taking over a resumed machine", async () => {
    try {
      const live = await wakeUp(context, row, machineId, signal);
      const now = await rows.transition(row.id, ["creating"], "running", { ...AT_REST, reason: null, saveId: null });
      if (now === null) return;
      live.isReady = true;
      watch(context, row, live);
      context.lifetimes.began(row.id);
    } catch (error) {
      if (signal.aborted) return;
      const live = context.live.get(row.id);
      context.live.delete(row.id);
      if (!isDead(error)) {
        live?.machine.release();
        throw error;
      }
      const reason = `it could not be resumed after a restart: ${describeError(error)}; 'start' boots it with its disk`;
      await releaseMachine(context, machineId, live?.machine);
      await rows.transition(row.id, ["creating"], "failed", { ...AT_REST, reason, saveId: null });
    }
    dropSave(context, row);
    changed(context, row);
  });
}

/** Rejects as an `adopt` does that finds a machine dead (`isDead`) where it has ended or its guest does not wake. */
async function wakeUp(
  context: Context,
  row: EnvironmentRow,
  machineId: MachineId,
  signal: AbortSignal,
): Promise<LiveMachine> {
  const live = liveMachine(await context.driver.adopt(machineId, { signal }));
  context.live.set(row.id, live);
  const died = deathOf(live.machine, "the machine ended");
  const timeoutMs = context.limits.bootDeadlineMs;
  const agent = await Promise.race([died, live.machine.agent({ timeoutMs, signal })]);
  const waking = agent.wake(wakeOf(context), { signal }).catch((error: unknown) => {
    // Not heard is not refused.
    if (error instanceof PlatformError && error.code === "GUEST_UNREACHABLE") throw error;
    throw new PlatformError("MACHINE_BOOT_FAILED", describeError(error), { cause: error });
  });
  await Promise.race([died, waking]);
  return live;
}
