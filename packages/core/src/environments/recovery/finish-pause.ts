import { type MachineId, PlatformError } from "@microterm/protocol";
import { describeError } from "../../messages/describe-error.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import { Stopwatch } from "../../time/stopwatch.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import { retryUntilDone } from "../state/retry.ts";
import { cancelPause, completePause } from "../stop/pause.ts";

/**
 * Goes on with a pause that the server was stopped in. The snapshot may have been finished without it, which ends the machine:
 * so the host is asked for the same snapshot once more, which waits for the first. True unless the guest goes on instead.
 */
export async function finishPause(
  context: EnvironmentContext,
  row: EnvironmentRow,
  machineId: MachineId,
  signal: AbortSignal,
): Promise<boolean> {
  const { snapshots } = context.drivers.of(row);
  const { snapshotId } = row;
  let goesOn = false;
  let isStopped = false;
  const stopwatch = new Stopwatch(context.clock);
  stopwatch.enter("save");
  const report = (operation: "pause" | "stop", outcome: "done" | "failed"): void => {
    const ended = { operation, environment: row.id, machine: machineId, method: null, outcome } as const;
    context.observer.operationEnded({ ...ended, ...stopwatch.read() });
  };
  await retryUntilDone(context, signal, "finishing a pause", async () => {
    try {
      if (snapshots === null || snapshotId === null) throw new Error("there is nothing to pause it with");
      await snapshots.pause(machineId, snapshotId);
    } catch (error) {
      // That is not known yet.
      if (error instanceof PlatformError && error.code === "HOST_DAEMON_UNAVAILABLE") throw error;
      const why = describeError(error);
      context.log.error("an environment could not be paused and goes on", { environment: row.id, reason: why });
      if (await cancelPause(context, row)) context.lifetimes.pauseFailed(row, why);
      report("pause", "failed");
      goesOn = true;
      return;
    }
    if (signal.aborted || context.closing.signal.aborted) return;
    await completePause(context, { ...row, machineId, snapshotId }, undefined, () => {
      isStopped = true;
    });
    report(isStopped ? "stop" : "pause", "done");
  });
  return !goesOn;
}
