import { type MachineId, PlatformError } from "@microterm/protocol";
import { SYSTEM } from "../../access/actor.ts";
import { attachEnvironment } from "../../machines/attach-network.ts";
import { wakeOf } from "../../machines/identity.ts";
import { releaseMachine } from "../../machines/remove-machine.ts";
import { describeError } from "../../messages/describe-error.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import type { Machine, VmSnapshots } from "../../ports/vm-driver.ts";
import { withDeadline } from "../../time/deadline.ts";
import { Stopwatch } from "../../time/stopwatch.ts";
import { timestamp } from "../../time/timestamp.ts";
import { reapplyPolicy } from "../network/apply-policy.ts";
import { AT_REST } from "../state/at-rest.ts";
import { keepConsole } from "../state/console.ts";
import { dropSnapshot } from "../state/drop-snapshot.ts";
import { changed, type EnvironmentContext, forgetMachine } from "../state/environment-context.ts";
import { retryUntilDone } from "../state/retry.ts";

const SEND_TIME_MS = 10_000;
const MIB = 1024 * 1024;

export type Pausing = EnvironmentRow & { readonly machineId: MachineId; readonly snapshotId: string };

/** Memory on its way to the host's disk. */
export interface Pause {
  readonly row: Pausing;
  readonly snapshots: VmSnapshots;
  readonly signal: AbortSignal;
}

/**
 * Saves a running environment's memory and releases its machine. The row names the operation and the snapshot, so
 * that a server that dies in here leaves both to be found. When it cannot be saved it goes on, with a notice. Where a stop was asked
 * for meanwhile, its memory is dropped, or it goes on and the caller stops it.
 */
export async function pause(context: EnvironmentContext, { row, snapshots, signal }: Pause): Promise<void> {
  const { faults, log } = context;
  const live = context.live.get(row.id);
  if (live === undefined || signal.aborted) return;
  // From here on no call goes to its agent: what a guest is told while it is frozen would time out.
  live.isReady = false;
  const stopwatch = new Stopwatch(context.clock);
  const report = (operation: "pause" | "stop", outcome: "done" | "failed"): void => {
    const ended = { operation, environment: row.id, machine: row.machineId, method: null, outcome } as const;
    context.observer.operationEnded({ ...ended, ...stopwatch.read() });
  };
  stopwatch.enter("save");
  try {
    await reserveSnapshot(context, row);
    await snapshots.pause(row.machineId, row.snapshotId);
  } catch (error) {
    const why = describeError(error);
    log.error("an environment could not be paused and goes on", { environment: row.id, reason: why });
    report("pause", "failed");
    live.isReady = true;
    if (signal.aborted) return;
    if (await cancelPause(context, row)) context.lifetimes.pauseFailed(row, why);
    changed(context, row);
    // One that was changed meanwhile is in the row alone.
    await reapplyPolicy(context, row, row.machineId);
    await sendTime(context, row, signal);
    return;
  } finally {
    context.admission.release(row.snapshotId);
  }
  faults.hit("pause.saved");
  // A destroy that took over removes the machine and the snapshot; a server that goes away leaves both to the next.
  if (signal.aborted || context.closing.signal.aborted) return;
  await keepConsole(context, row.id, live);
  forgetMachine(context, row.id);
  stopwatch.enter("machine");
  let isStopped = false;
  await retryUntilDone(context, signal, "pausing an environment", async () => {
    await completePause(context, row, live.machine, () => {
      isStopped = true;
    });
  });
  report(isStopped ? "stop" : "pause", "done");
}

/** A snapshot takes what is free from what disks were promised. It has no more than its machine takes of the host's memory. */
async function reserveSnapshot({ admission, drivers }: EnvironmentContext, row: Pausing): Promise<void> {
  const driver = drivers.of(row);
  const usage = await driver.usage(row.machineId).catch(() => null);
  const mostMib = usage === null ? row.memoryMib : Math.ceil(usage.memoryBytes / MIB);
  await admission.reserveDisk(driver, row.snapshotId, Math.min(row.memoryMib, mostMib));
}

/** Its memory is saved: notes that, or drops it where a stop was asked for meanwhile (`stopped`), and removes its machine. */
export async function completePause(
  context: EnvironmentContext,
  row: Pausing,
  machine?: Machine,
  stopped: () => void = () => {},
): Promise<void> {
  const { rows } = context;
  const { id, snapshotId } = row;
  const rests = { ...AT_REST, ranUntil: timestamp(context.clock) };
  const isPaused = await rows.transition(id, ["running"], "paused", rests, { operation: "pause", snapshotId });
  if (isPaused === null) {
    const dropped = { ...rests, snapshotId: null };
    const isStopped = await rows.transition(id, ["running"], "stopped", dropped, { operation: "stop", snapshotId });
    if (isStopped !== null) {
      dropSnapshot(context, row);
      stopped();
    }
  }
  changed(context, row);
  await releaseMachine(context, context.drivers.of(row), { id: row.machineId, held: machine });
  for (const state of ["paused", "stopped"] as const) {
    await rows.transition(id, [state], state, { machineId: null }, { machineId: row.machineId });
  }
}

/** Its memory could not be saved. False where a stop was asked for meanwhile, which is yet to come. */
export async function cancelPause({ rows }: EnvironmentContext, { id, snapshotId }: EnvironmentRow): Promise<boolean> {
  const on = { ...AT_REST, reason: null, snapshotId: null };
  const isOn = await rows.transition(id, ["running"], "running", on, { operation: "pause", snapshotId });
  if (isOn === null) {
    await rows.transition(id, ["running"], "running", { snapshotId: null }, { operation: "stop", snapshotId });
  }
  return isOn !== null;
}

/**
 * A guest that stood still while its snapshot failed has lost that time. Whether it hears of it decides nothing. It is told of its
 * network in the same call: in turn with the changes of that, and as the row says then.
 */
export async function sendTime(
  context: EnvironmentContext,
  { id }: Pick<EnvironmentRow, "id">,
  outer: AbortSignal,
): Promise<void> {
  const live = context.live.get(id);
  if (live === undefined) return;
  const error = () => new PlatformError("GUEST_UNREACHABLE", "the guest was not told the time");
  try {
    await withDeadline({ clock: context.clock, timeoutMs: SEND_TIME_MS, error, signal: outer }, async (signal) => {
      const agent = await live.machine.agent({ timeoutMs: SEND_TIME_MS, signal });
      await context.networkTurns.run(id, async () => {
        const row = await context.rows.get(id, SYSTEM);
        if (row?.machineId !== live.machine.id || signal.aborted) return;
        await agent.wake(wakeOf(context, await attachEnvironment(context, row, live.machine.id)), { signal });
      });
    });
  } catch (error) {
    context.log.warn("a guest does not know how late it is", { environment: id, error: describeError(error) });
  }
}
