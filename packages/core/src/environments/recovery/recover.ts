import type { EnvironmentId, MachineId } from "@microterm/protocol";
import { releaseMachine } from "../../machines/remove-machine.ts";
import { describeError } from "../../messages/messages.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import type { RecoveryReport } from "../service/environment-service.ts";
import { start } from "../start/start.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import { adoptImages, pruneImages } from "../state/images.ts";
import { retryUntilDone } from "../state/retry.ts";
import { destroy } from "../stop/destroy.ts";
import { sendTime } from "../stop/pause.ts";
import { stop } from "../stop/stop.ts";
import { finishPause } from "./finish-pause.ts";
import { finishResume } from "./finish-resume.ts";
import { planRecovery, type RowAction } from "./recovery-plan.ts";
import { adopt, reconcile, type Tally, take, takeOver, tried } from "./take-over.ts";

/** Carries out a {@link planRecovery}: first the rows' states, then the host, so that a crash at any point in here is repaired by the next recovery. */
export async function recover(context: EnvironmentContext): Promise<RecoveryReport> {
  const { rows, driver, network, log } = context;
  await adoptImages(context);
  // The host before the rows: what is made meanwhile has its row already, and is not taken for unowned. The machines
  // before the snapshots: one that ended because it was paused has its snapshot.
  const machines = await driver.list();
  const [disks, snapshots, networks] = await Promise.all([driver.listDisks(), listSnapshots(context), network.list()]);
  const all = await rows.list();
  const idle = all.filter((row) => !isHandled(context, row.id));
  const plan = planRecovery({
    rows: idle,
    machines,
    disks,
    snapshots: snapshots ?? all.flatMap((row) => row.snapshotId ?? []),
  });
  const report: Tally = {
    ...{ adopted: 0, resumed: 0, stopped: 0, paused: 0, failed: 0, destroyed: 0 },
    ...{ machinesRemoved: 0, disksRemoved: 0, snapshotsRemoved: 0 },
  };

  for (const row of idle) {
    const action = plan.rows.get(row.id);
    if (action?.kind === "reconcile") await reconcile(context, row, action, report);
  }

  const inUse = new Set([...context.live.values()].map((live) => live.machine.id));
  for (const row of all) if (isHandled(context, row.id) && row.machineId !== null) inUse.add(row.machineId);
  for (const machineId of plan.removeMachines) {
    if (inUse.has(machineId)) continue;
    log.warn("an unowned machine is removed", { machine: machineId });
    if (await tried(context, () => releaseMachine(context, machineId))) report.machinesRemoved++;
  }
  const owned = new Set<string>(all.map((row) => row.diskId));
  for (const disk of plan.removeDisks) {
    if (owned.has(disk)) continue;
    log.warn("a disk of no environment is removed", { disk });
    if (await tried(context, () => driver.removeDisk(disk))) report.disksRemoved++;
  }
  const kept = new Set(all.filter((row) => isHandled(context, row.id)).map((row) => row.snapshotId));
  for (const snapshot of plan.removeSnapshots) {
    if (kept.has(snapshot)) continue;
    log.warn("saved memory of no use is removed", { snapshot });
    if (await tried(context, async () => context.snapshots?.removeSnapshot(snapshot))) report.snapshotsRemoved++;
  }

  for (const row of idle) {
    const action = plan.rows.get(row.id);
    if (action !== undefined) await carryOut(context, row, action, report);
  }
  const used = new Set<MachineId>([...context.live.values()].map((live) => live.machine.id));
  for (const row of await rows.list()) if (row.machineId !== null) used.add(row.machineId);
  for (const machineId of networks) {
    if (!used.has(machineId)) await tried(context, () => network.detach(machineId));
  }
  await pruneImages(context);
  log.info("recovered", { ...report });
  return report;
}

/** Null where they cannot be listed: then each is taken to be there, nothing is removed, and a resume finds out. */
async function listSnapshots(context: EnvironmentContext): Promise<readonly string[] | null> {
  if (context.snapshots === null) return [];
  try {
    return await context.snapshots.listSnapshots();
  } catch (error) {
    context.log.warn("saved memory could not be listed", { error: describeError(error) });
    return null;
  }
}

function isHandled(context: EnvironmentContext, id: EnvironmentId): boolean {
  return context.live.has(id) || context.operations.isBusy(id) || context.destroys.has(id);
}

async function carryOut(
  context: EnvironmentContext,
  row: EnvironmentRow,
  action: RowAction,
  report: Tally,
): Promise<void> {
  switch (action.kind) {
    case "keep":
    case "reconcile":
      return;
    case "adopt":
      if (await adopt(context, row, action.machineId, report)) report.adopted++;
      return;
    case "finish-pause":
      context.log.info("an interrupted pause is finished", { environment: row.id });
      void context.operations.begin(row.id, async (signal) => {
        if (await finishPause(context, row, action.machineId, signal)) return;
        await retryUntilDone(context, signal, "taking over a machine", async () => {
          await takeOver(context, row, action.machineId, { ...report });
        });
        await sendTime(context, row, signal);
        const now = await context.rows.get(row.id);
        if (now?.operation === "stop") await stop(context, row.id, signal);
      });
      report.paused++;
      return;
    case "finish-resume":
      void context.operations.begin(row.id, (signal) => finishResume(context, row, action.machineId, signal));
      report.resumed++;
      return;
    case "finish-stop":
      // Where it cannot be taken over, it is killed instead of powered off.
      await tried(context, () => take(context, row, action.machineId));
      void context.operations.begin(row.id, (signal) => stop(context, row.id, signal));
      report.stopped++;
      return;
    case "boot":
      context.log.info("an interrupted start is begun again", { environment: row.id });
      void context.operations.begin(row.id, (signal) =>
        start(context, row, { isInterrupted: true, isFresh: false, hasRoom: true, signal }),
      );
      report.resumed++;
      return;
    case "finish-destroy":
      // Waited for, within reason, so that a start that reports is a start that has cleaned up.
      if (await tried(context, () => destroy(context, row))) report.destroyed++;
      return;
  }
}
