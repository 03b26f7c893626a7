import { type MachineId, PlatformError } from "@microterm/protocol";
import { attachEnvironment } from "../../machines/attach-network.ts";
import { isDead, rejectOnEnd } from "../../machines/machine-end.ts";
import { releaseMachine } from "../../machines/remove-machine.ts";
import { describeError } from "../../messages/describe-error.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import { Stopwatch } from "../../time/stopwatch.ts";
import { timestamp } from "../../time/timestamp.ts";
import { reapplyPolicy } from "../network/apply-policy.ts";
import { watch } from "../running/watch.ts";
import { reportStart } from "../start/report-start.ts";
import { AT_REST } from "../state/at-rest.ts";
import { dropSnapshot } from "../state/drop-snapshot.ts";
import { changed, type EnvironmentContext, forgetMachine } from "../state/environment-context.ts";
import { type LiveMachine, liveMachine, wakeGuest } from "../state/live-machine.ts";
import { retryUntilDone } from "../state/retry.ts";

/**
 * Takes over a machine that was being resumed when the server stopped, as often as it takes: its guest may have gone on
 * already, so that its snapshot is used up, and nothing but its own end or a refusal to wake is a reason to give it up.
 */
export async function finishResume(
  context: EnvironmentContext,
  row: EnvironmentRow,
  machineId: MachineId,
  outer: AbortSignal,
): Promise<void> {
  const { rows } = context;
  const signal = AbortSignal.any([outer, context.closing.signal]);
  const stopwatch = new Stopwatch(context.clock);
  stopwatch.enter("resume");
  const report = (outcome: "done" | "failed"): void =>
    reportStart(context, row, { method: "resume", machine: machineId, outcome, stopwatch });
  await retryUntilDone(context, signal, "taking over a resumed machine", async () => {
    try {
      const live = await wakeUp(context, row, machineId, signal);
      const now = await rows.transition(row.id, ["creating"], "running", {
        ...AT_REST,
        reason: null,
        snapshotId: null,
        runningSince: timestamp(context.clock),
      });
      if (now === null) return;
      live.isReady = true;
      watch(context, row, live);
      await reapplyPolicy(context, row, machineId);
      context.lifetimes.began(row.id);
      report("done");
    } catch (error) {
      if (signal.aborted) return;
      const live = context.live.get(row.id);
      forgetMachine(context, row.id);
      if (!isDead(error)) {
        live?.machine.release();
        throw error;
      }
      const reason = `it could not be resumed after a restart: ${describeError(error)}; 'start' boots it with its disk`;
      await releaseMachine(context, context.drivers.of(row), { id: machineId, held: live?.machine });
      const failed = { ...AT_REST, reason, snapshotId: null };
      if ((await rows.transition(row.id, ["creating"], "failed", failed)) !== null) report("failed");
    }
    dropSnapshot(context, row);
    changed(context, row);
  });
}

/** Rejects as an `adopt` does that finds a machine dead (`isDead`) where it has ended or its guest does not wake. */
async function wakeUp(
  context: EnvironmentContext,
  row: EnvironmentRow,
  machineId: MachineId,
  signal: AbortSignal,
): Promise<LiveMachine> {
  const driver = context.drivers.of(row);
  const live = liveMachine(driver, await driver.adopt(machineId, { signal, epoch: row.epoch }));
  context.live.set(row.id, live);
  const died = rejectOnEnd(live.machine, "the machine ended");
  const timeoutMs = context.limits.bootDeadlineMs;
  const agent = await Promise.race([died, live.machine.agent({ timeoutMs, signal })]);
  const network = await attachEnvironment(context, row, machineId);
  const waking = wakeGuest(context, live, { agent, network, signal }).catch((error: unknown) => {
    // Not heard is not refused.
    if (error instanceof PlatformError && error.code === "GUEST_UNREACHABLE") throw error;
    throw new PlatformError("MACHINE_BOOT_FAILED", describeError(error), { cause: error });
  });
  await Promise.race([died, waking]);
  return live;
}
