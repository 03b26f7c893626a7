import type { MachineId } from "@microterm/protocol";
import { SYSTEM } from "../../access/actor.ts";
import { releaseMachine } from "../../machines/remove-machine.ts";
import { describeError } from "../../messages/describe-error.ts";
import { isHeldHere } from "../../ports/fleet.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import type { VmDriver } from "../../ports/vm-driver.ts";
import type { RecoveryReport } from "../service/environment-service.ts";
import { start } from "../start/start.ts";
import { RESTING } from "../state/at-rest.ts";
import { type EnvironmentContext, leaveToRecovery } from "../state/environment-context.ts";
import { adoptImages, pruneImages } from "../state/images.ts";
import { retryUntilDone } from "../state/retry.ts";
import { destroy } from "../stop/destroy.ts";
import { sendTime } from "../stop/pause.ts";
import { stop } from "../stop/stop.ts";
import { atOnce } from "./at-once.ts";
import { finishPause } from "./finish-pause.ts";
import { finishResume } from "./finish-resume.ts";
import { planRecovery, type RowAction } from "./recovery-plan.ts";
import { adopt, reconcile, type Tally, take, takeOver, tried } from "./take-over.ts";

/** A driver whose host cannot be asked while others can is asked again so often. */
const AGAIN_MS = 10_000;
/** While peers are claiming the rest. */
const UNHELD_MS = 200;
/** At once: a guest far away is waited for beside others, and a host has its connections for all. */
const MOST_ADOPTIONS = 16;

const UNRECOVERED = "a driver's machines cannot be looked after now";

/**
 * Compares the rows with what exists on the hosts, driver by driver. What runs on a driver that this server does not have
 * stays as it is. Rejects when the default driver's host cannot be asked; another's is asked again in the background.
 *
 * Of a fleet's environments it takes those that this server holds; it claims what nobody holds, some at a time, so that its peers have their
 * share.
 */
export async function recover(context: EnvironmentContext): Promise<RecoveryReport> {
  const report = emptyReport();
  while (true) {
    const claimed = await context.fleet.claim();
    await recoverHeld(context, report);
    if (!(await isMoreUnheld(context))) break;
    if (claimed === 0) await context.clock.sleep(UNHELD_MS, context.closing.signal);
  }
  context.log.info("recovered", { ...report });
  return report;
}

/** Of what nobody holds, a peer may be claiming the rest. */
async function isMoreUnheld({ fleet, rows }: EnvironmentContext): Promise<boolean> {
  if (fleet.number === null) return false;
  return (await rows.list(SYSTEM)).some(({ server, state }) => server === null && !RESTING.has(state));
}

async function recoverHeld(context: EnvironmentContext, report: Tally): Promise<void> {
  const { drivers, network, rows, log } = context;
  // Before the rows: what is made meanwhile has its row already, and is not taken for unowned.
  const networks = await network.list();
  // Drivers may share a host, and the first one would remove images of which a row of the second does not tell yet.
  for (const driver of drivers.all) await adoptImages({ ...context, driver }).catch(() => {});
  for (const driver of drivers.all) {
    if (driver === drivers.default) await recoverDriver(context, driver, report);
    // An earlier call may be asking it still.
    else if (!context.recoveringLater.has(driver)) {
      await recoverDriver(context, driver, report).catch((error: unknown) => {
        log.error(UNRECOVERED, { driver: driver.name, error: describeError(error) });
        void recoverLater(context, driver, describeError(error));
      });
    }
  }
  const used = new Set<MachineId>([...context.live.values()].map((live) => live.machine.id));
  for (const row of await rows.list(SYSTEM)) {
    // What is at rest still names its last machine.
    if (row.machineId !== null && !RESTING.has(row.state)) used.add(row.machineId);
  }
  for (const machineId of networks) {
    if (!used.has(machineId)) await tried(context, () => network.detach(machineId));
  }
  for (const row of await rows.list(SYSTEM)) {
    const absence = drivers.absenceOf(row);
    if (absence !== null) log.warn("an environment is left alone", { environment: row.id, reason: absence });
  }
}

/** Until it succeeds: a daemon may come up after the server. */
async function recoverLater(context: EnvironmentContext, driver: VmDriver, firstWords: string): Promise<void> {
  const { clock, closing, log, recoveringLater } = context;
  recoveringLater.add(driver);
  let lastWords = firstWords;
  while (!closing.signal.aborted) {
    try {
      await clock.sleep(AGAIN_MS, closing.signal);
      const report = emptyReport();
      await recoverDriver(context, driver, report);
      log.info("recovered", { driver: driver.name, ...report });
      break;
    } catch (error) {
      const words = describeError(error);
      // Once a cause.
      if (words !== lastWords && !closing.signal.aborted) log.error(UNRECOVERED, { driver: driver.name, error: words });
      lastWords = words;
    }
  }
  recoveringLater.delete(driver);
}

/**
 * Carries out a {@link planRecovery} for what runs on one driver: first the rows' states, then the host, so that a crash at
 * any point in here is repaired by the next recovery.
 */
async function recoverDriver(context: EnvironmentContext, driver: VmDriver, report: Tally): Promise<void> {
  const { fleet, rows, log } = context;
  await adoptImages({ ...context, driver });
  // The host before the rows, as above. The machines before the snapshots: one that ended because it was paused has its
  // snapshot. The pools between the two: a machine is an environment's before it is no pool's any more.
  const machines = await driver.list();
  const [disks, snapshots] = await Promise.all([driver.listDisks(), listSnapshots(context, driver)]);
  const pooled = await fleet.pooled.list();
  const all = await rows.list(SYSTEM);
  const isIdle = (row: EnvironmentRow) =>
    row.driver === driver.name && isHeldHere(fleet, row) && !isHandled(context, row);
  const idle = all.filter(isIdle);
  const plan = planRecovery({
    rows: idle,
    machines,
    disks: disks.map(({ diskId }) => diskId),
    snapshots: snapshots ?? all.flatMap((row) => row.snapshotId ?? []),
  });

  for (const row of idle) {
    const action = plan.rows.get(row.id);
    if (action?.kind !== "reconcile" || !(await isAsPlanned(context, row))) continue;
    await reconcile(context, row, action, report);
  }

  // Rows that another driver or another request looks after keep what they name.
  const others = all.filter((row) => !isIdle(row));
  const inUse = new Set<MachineId>([...context.live.values()].map((live) => live.machine.id));
  for (const row of others) {
    // One that nobody holds, as it is at rest, still names its last machine.
    const isNamed = isHeldHere(fleet, row) || !RESTING.has(row.state);
    if (row.machineId !== null && isNamed) inUse.add(row.machineId);
  }
  // Their holders, and whoever claims them, know of what is left of earlier starts.
  const ofPeers = new Set<string | null>(
    all.filter((row) => !isHeldHere(fleet, row) && !RESTING.has(row.state)).map(({ id }) => id),
  );
  const spared = machines.filter(({ environmentId }) => ofPeers.has(environmentId)).map(({ machineId }) => machineId);
  for (const id of [...pooled, ...spared]) inUse.add(id);
  for (const id of plan.removeMachines) {
    if (inUse.has(id)) continue;
    log.warn("an unowned machine is removed", { machine: id });
    if (await tried(context, () => releaseMachine(context, driver, { id }))) report.machinesRemoved++;
  }
  const owned = new Set<string>([...all.map((row) => row.diskId), ...pooled]);
  for (const disk of plan.removeDisks) {
    if (owned.has(disk)) continue;
    log.warn("a disk of no environment is removed", { disk });
    if (await tried(context, () => driver.removeDisk(disk))) report.disksRemoved++;
  }
  const kept = new Set(others.map((row) => row.snapshotId));
  for (const snapshot of plan.removeSnapshots) {
    if (kept.has(snapshot)) continue;
    log.warn("saved memory of no use is removed", { snapshot });
    if (await tried(context, async () => driver.snapshots?.removeSnapshot(snapshot))) report.snapshotsRemoved++;
  }

  const carryOutPlanned = async (row: EnvironmentRow): Promise<void> => {
    const action = plan.rows.get(row.id);
    if (action === undefined || action.kind === "reconcile") return;
    if (await isAsPlanned(context, row)) await carryOut(context, row, action, report);
  };
  const isToAdopt = ({ id }: EnvironmentRow) => plan.rows.get(id)?.kind === "adopt";
  await atOnce(idle.filter(isToAdopt), MOST_ADOPTIONS, carryOutPlanned);
  for (const row of idle) if (!isToAdopt(row)) await carryOutPlanned(row);
  await pruneImages({ ...context, driver });
}

const emptyReport = (): Tally => ({
  ...{ adopted: 0, resumed: 0, stopped: 0, paused: 0, failed: 0, destroyed: 0 },
  ...{ machinesRemoved: 0, disksRemoved: 0, snapshotsRemoved: 0 },
});

/** Null where they cannot be listed: then each is taken to be there, nothing is removed, and a resume finds out. */
async function listSnapshots({ log }: EnvironmentContext, { snapshots }: VmDriver): Promise<readonly string[] | null> {
  if (snapshots === null) return [];
  try {
    return await snapshots.listSnapshots();
  } catch (error) {
    log.warn("saved memory could not be listed", { error: describeError(error) });
    return null;
  }
}

/**
 * Whether a request or this server looks after it. A row whose machine is held may name an operation that nobody executes: the commit was made,
 * but its request was told of an outage.
 */
function isHandled(context: EnvironmentContext, { id, state, operation }: EnvironmentRow): boolean {
  if (context.operations.isBusy(id) || context.destroys.has(id)) return true;
  return context.live.has(id) && state === "running" && operation === null;
}

/** A plan that is carried out beside requests holds for the rows that none of them has got to since. */
async function isAsPlanned(context: EnvironmentContext, row: EnvironmentRow): Promise<boolean> {
  const now = await context.rows.get(row.id, SYSTEM);
  if (now === null || isHandled(context, now)) return false;
  return now.state === row.state && now.operation === row.operation && now.machineId === row.machineId;
}

async function carryOut(
  context: EnvironmentContext,
  row: EnvironmentRow,
  action: Exclude<RowAction, { readonly kind: "reconcile" }>,
  report: Tally,
): Promise<void> {
  if (action.kind !== "keep") leaveToRecovery(context, row.id);
  switch (action.kind) {
    case "keep":
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
        const now = await context.rows.get(row.id, SYSTEM);
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
      if (await tried(context, () => destroy(context, row, { by: "server" }))) report.destroyed++;
      return;
  }
}
