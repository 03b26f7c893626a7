import type { EnvironmentId, MachineId } from "@microterm/protocol";
import type { EnvironmentRow } from "../ports/repository.ts";
import { describeError } from "../words/words.ts";
import { boot } from "./boot.ts";
import { type Context, changed, liveMachine } from "./context.ts";
import { destroy } from "./destroy.ts";
import { watch } from "./ended.ts";
import type { RecoveryReport } from "./environment-service.ts";
import { adoptImages, pruneImages } from "./images.ts";
import { isDead, persist, releaseMachine } from "./machines.ts";
import { finishPause, finishResume, tellTime } from "./pause.ts";
import { planRecovery, type RowAction } from "./recovery-plan.ts";
import { AT_REST } from "./steps.ts";
import { stop } from "./stop.ts";

/** An adopted guest that answers nothing for this long is reported in the log, and left running: its work may be saved. */
const GREETING_MS = 10_000;

/** Carries out a {@link planRecovery}: first the rows' states, then the host, so that a crash at any point in here is repaired by the next recovery. */
export async function recover(context: Context): Promise<RecoveryReport> {
  const { rows, driver, network, log } = context;
  await adoptImages(context);
  // The host before the rows: what is made meanwhile has its row already, and is not taken for unowned. The machines
  // before the saves: one that ended because it was saved has its save.
  const machines = await driver.list();
  const [disks, saves, networks] = await Promise.all([driver.listDisks(), listSaves(context), network.list()]);
  const all = await rows.list();
  const idle = all.filter((row) => !isHandled(context, row.id));
  const plan = planRecovery({ rows: idle, machines, disks, saves: saves ?? all.flatMap((row) => row.saveId ?? []) });
  const report: Tally = {
    ...{ adopted: 0, resumed: 0, stopped: 0, paused: 0, failed: 0, destroyed: 0 },
    ...{ machinesRemoved: 0, disksRemoved: 0, savesRemoved: 0 },
  };

  for (const row of idle) {
    const action = plan.rows.get(row.id);
    if (action?.kind === "settle") await settle(context, row, action, report);
  }

  const held = new Set([...context.live.values()].map((live) => live.machine.id));
  for (const row of all) if (isHandled(context, row.id) && row.machineId !== null) held.add(row.machineId);
  for (const machineId of plan.removeMachines) {
    if (held.has(machineId)) continue;
    log.warn("a machine that nobody needs is removed", { machine: machineId });
    if (await tried(context, () => releaseMachine(context, machineId))) report.machinesRemoved++;
  }
  const owned = new Set<string>(all.map((row) => row.diskId));
  for (const disk of plan.removeDisks) {
    if (owned.has(disk)) continue;
    log.warn("a disk of no environment is removed", { disk });
    if (await tried(context, () => driver.removeDisk(disk))) report.disksRemoved++;
  }
  const saved = new Set(all.filter((row) => isHandled(context, row.id)).map((row) => row.saveId));
  for (const save of plan.removeSaves) {
    if (saved.has(save)) continue;
    log.warn("saved memory of no use is removed", { save });
    if (await tried(context, async () => context.snapshots?.removeSave(save))) report.savesRemoved++;
  }

  for (const row of idle) {
    const action = plan.rows.get(row.id);
    if (action !== undefined) await act(context, row, action, report);
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
async function listSaves(context: Context): Promise<readonly string[] | null> {
  if (context.snapshots === null) return [];
  try {
    return await context.snapshots.listSaves();
  } catch (error) {
    context.log.warn("saved memory could not be listed", { error: describeError(error) });
    return null;
  }
}

function isHandled(context: Context, id: EnvironmentId): boolean {
  return context.live.has(id) || context.work.isBusy(id) || context.destroys.has(id);
}

type Tally = { -readonly [Key in keyof RecoveryReport]: number };

async function settle(
  context: Context,
  row: EnvironmentRow,
  action: Extract<RowAction, { kind: "settle" }>,
  report: Tally,
): Promise<void> {
  const { state, reason } = action;
  const gone = state === "paused" ? { machineId: null } : { saveId: null };
  const patch = { ...AT_REST, ...gone, ...(reason === undefined ? {} : { reason }) };
  if ((await context.rows.transition(row.id, [row.state], state, patch)) === null) return;
  report[state]++;
  context.log.warn("an environment's machine is gone", { environment: row.id, state, reason });
  changed(context, row);
}

async function act(context: Context, row: EnvironmentRow, action: RowAction, report: Tally): Promise<void> {
  switch (action.kind) {
    case "keep":
    case "settle":
      return;
    case "adopt":
      if (await adopt(context, row, action.machineId, report)) report.adopted++;
      return;
    case "finish-pause":
      context.log.info("an interrupted pause is finished", { environment: row.id });
      void context.work.begin(row.id, async (signal) => {
        if (await finishPause(context, row, action.machineId, signal)) return;
        await persist(context, signal, "taking over a machine", async () => {
          await takeOrSettle(context, row, action.machineId, { ...report });
        });
        await tellTime(context, row, signal);
        const now = await context.rows.get(row.id);
        if (now?.operation === "stop") await stop(context, row.id, signal);
      });
      report.paused++;
      return;
    case "finish-resume":
      void context.work.begin(row.id, (signal) => finishResume(context, row, action.machineId, signal));
      report.resumed++;
      return;
    case "finish-stop":
      // Where it cannot be taken over, it is killed instead of powered off.
      await tried(context, () => take(context, row, action.machineId));
      void context.work.begin(row.id, (signal) => stop(context, row.id, signal));
      report.stopped++;
      return;
    case "boot":
      context.log.info("an interrupted boot is begun again", { environment: row.id });
      void context.work.begin(row.id, (signal) =>
        boot(context, row, { isResumed: true, isFresh: false, hasRoom: true, signal }),
      );
      report.resumed++;
      return;
    case "finish-destroy":
      // Waited for, within reason, so that a start that reports is a start that has cleaned up.
      if (await tried(context, () => destroy(context, row))) report.destroyed++;
      return;
  }
}

/** Takes over a running machine; when the driver cannot be asked now, goes on asking in the background. */
async function adopt(context: Context, row: EnvironmentRow, machineId: MachineId, report: Tally): Promise<boolean> {
  try {
    return await takeOrSettle(context, row, machineId, report);
  } catch (error) {
    context.log.warn("a machine could not be taken over", { machine: machineId, error: describeError(error) });
    void context.work.begin(row.id, (signal) =>
      persist(context, signal, "taking over a machine", async () => {
        await takeOrSettle(context, row, machineId, { ...report });
      }),
    );
    return false;
  }
}

/** False when the machine has died meanwhile; the row says so then. Rejects when nobody can tell. */
async function takeOrSettle(
  context: Context,
  row: EnvironmentRow,
  machineId: MachineId,
  report: Tally,
): Promise<boolean> {
  try {
    await take(context, row, machineId);
    return true;
  } catch (error) {
    if (!isDead(error)) throw error;
    const reason = `the VMM died: ${describeError(error)}`;
    await settle(context, row, { kind: "settle", state: "failed", reason }, report);
    await tried(context, () => releaseMachine(context, machineId));
    return false;
  }
}

async function take(context: Context, row: EnvironmentRow, machineId: MachineId): Promise<void> {
  const live = liveMachine(await context.driver.adopt(machineId));
  live.isReady = true;
  context.live.set(row.id, live);
  context.lifetimes.began(row.id);
  watch(context, row, live);
  changed(context, row);
  live.machine.agent({ timeoutMs: GREETING_MS, signal: context.closing.signal }).catch((error: unknown) => {
    if (context.closing.signal.aborted) return;
    context.log.warn("an adopted guest does not answer", { environment: row.id, error: describeError(error) });
  });
}

/** One thing that fails must not keep a server from starting; the next start tries it again. */
async function tried(context: Context, run: () => Promise<unknown>): Promise<boolean> {
  try {
    await run();
    return true;
  } catch (error) {
    context.log.error("a step of the recovery failed", { error: describeError(error) });
    return false;
  }
}
