import { PlatformError } from "@microterm/protocol";
import { SYSTEM } from "../../access/actor.ts";
import { reserveEvictingPool } from "../../machines/admission/admission.ts";
import { shortageOf } from "../../machines/admission/shortages.ts";
import { releaseMachine } from "../../machines/remove-machine.ts";
import type { StartMethod } from "../../machines/start-method.ts";
import { describeError } from "../../messages/describe-error.ts";
import type { EnvironmentPatch, EnvironmentRow } from "../../ports/repository.ts";
import { Stopwatch } from "../../time/stopwatch.ts";
import { AT_REST } from "../state/at-rest.ts";
import { dropSnapshot } from "../state/drop-snapshot.ts";
import { changed, type EnvironmentContext } from "../state/environment-context.ts";
import { attempt, type Progress, Superseded } from "./attempt.ts";
import { claim } from "./claim.ts";
import { reportStart } from "./report-start.ts";
import type { StartNotes } from "./start-notes.ts";

/** A daemon that died in the first attempt is back before the second. */
const RETRY_PAUSE_MS = 1_000;

export interface StartOptions {
  /** A server that was restarted begins it again. */
  readonly isInterrupted: boolean;
  /** Nothing was ever made of it: it may come from the pool or from a template. */
  readonly isFresh: boolean;
  /** The host's room for it is reserved. False where the pool was thought to have a machine for it. */
  readonly hasRoom: boolean;
  readonly signal: AbortSignal;
}

type TimedStart = StartOptions & { readonly stopwatch: Stopwatch };

/**
 * Brings a `creating` environment to `running`: claims a machine of the pool, or restores its size's template, or boots,
 * or resumes what was paused; with one visible second attempt. It ends in `failed`, or in `paused` where the snapshot is as
 * good as before. When `signal` aborts, or the row has left `creating`, it leaves everything as it stands. Rejects
 * only when the database does.
 */
export async function start(context: EnvironmentContext, row: EnvironmentRow, options: StartOptions): Promise<void> {
  const signal = AbortSignal.any([options.signal, context.closing.signal]);
  const leave = context.scheduler.enter();
  const stopwatch = new Stopwatch(context.clock);
  try {
    if (options.isFresh && row.size !== null) {
      const { size, name } = row;
      for (let pooled = context.pool.take(size, name); pooled !== null; pooled = context.pool.take(size, name)) {
        if (await claim(context, row, pooled, { stopwatch, signal })) return;
      }
    }
    await startInTurn(context, row, { ...options, stopwatch, signal });
  } finally {
    leave();
  }
}

/** Restores want all of a CPU each: too many at once only slow each other down. */
async function startInTurn(context: EnvironmentContext, row: EnvironmentRow, options: TimedStart): Promise<void> {
  options.stopwatch.enter("wait");
  // Another start of it may have ended while this one waited for its turn.
  if ((await context.rows.get(row.id, SYSTEM))?.state !== "creating") return;
  let endTurn = () => {};
  let hasItsTurn = false;
  try {
    if (!options.hasRoom) {
      const { memoryMib, cpus, diskMib } = row;
      await reserveEvictingPool(context, context.drivers.of(row), row.id, { memoryMib, cpus, diskMib });
    }
    if (methodFor(context, row, options.isFresh).method.kind !== "boot") {
      endTurn = await context.scheduler.restoreTurn(options.signal);
    }
    hasItsTurn = true;
    await startTwice(context, row, options, endTurn);
  } catch (error) {
    if (options.signal.aborted) return;
    if (!(error instanceof PlatformError)) throw error;
    if (!hasItsTurn) {
      const { kind } = methodFor(context, row, options.isFresh).method;
      reportStart(context, row, { method: kind, machine: null, outcome: "failed", stopwatch: options.stopwatch });
    }
    await fail(context, row, describeError(error));
  } finally {
    endTurn();
  }
}

async function startTwice(
  context: EnvironmentContext,
  row: EnvironmentRow,
  options: TimedStart,
  endTurn: () => void,
): Promise<void> {
  const { isFresh, isInterrupted, stopwatch, signal } = options;
  let { method, remark } = methodFor(context, row, isFresh);
  let retry: string | null = null;
  for (let isFirst = true; ; isFirst = false) {
    const progress: Progress = { stopwatch, step: "disk", machineId: null, making: null, hasRun: false };
    const notes: StartNotes = { isInterrupted, retry, remark };
    try {
      if (!isFirst || row.machineId !== null) await removeEarlier(context, row);
      return await attempt(context, { row, method, notes, progress, signal }).then(() => dropSnapshot(context, row));
    } catch (error) {
      if (signal.aborted || error instanceof Superseded) return;
      const reason = describeError(error);
      const failed = (): void =>
        reportStart(context, row, {
          ...{ method: method.kind, machine: progress.machineId },
          ...{ outcome: "failed", stopwatch },
        });
      const isCorrupt = error instanceof PlatformError && error.code === "SNAPSHOT_CORRUPT";
      if (method.kind === "resume" && (isCorrupt || progress.hasRun)) {
        failed();
        return fail(context, row, `it could not be resumed: ${reason}; 'start' boots it with its disk`);
      }
      if (retry !== null || !isWorthRetrying(error)) {
        failed();
        return giveUp(context, row, method, reason);
      }
      context.log.warn("a start failed and is tried once more", { environment: row.id, method: method.kind, reason });
      if (method.kind === "restore") {
        if (isCorrupt) await context.templates.broken(method.size, method.template, reason);
        // Whatever it is, a boot needs none of it; and the disk goes with the memory it was saved with.
        await context.drivers
          .of(row)
          .removeDisk(row.diskId)
          .catch(() => {});
        method = { kind: "boot" };
        endTurn();
      }
      if (isCorrupt) remark = "its template was damaged";
      else {
        retry = reason;
        await context.clock.sleep(RETRY_PAUSE_MS, signal).catch(() => {});
      }
    }
  }
}

function methodFor(
  context: EnvironmentContext,
  row: EnvironmentRow,
  isFresh: boolean,
): { method: StartMethod; remark: string | null } {
  const driver = context.drivers.of(row);
  const { snapshots } = driver;
  if (snapshots === null) return { method: { kind: "boot" }, remark: null };
  if (row.snapshotId !== null)
    return { method: { kind: "resume", snapshotId: row.snapshotId, snapshots }, remark: null };
  // Templates are of the default driver and of the current image; one that a server of another image was asked for is not.
  const isCurrent = driver === context.drivers.default && row.image === (driver.images?.current ?? null);
  if (!isFresh || row.size === null || !isCurrent) return { method: { kind: "boot" }, remark: null };
  const template = context.templates.keyOf(row.size);
  if (template === null) return { method: { kind: "boot" }, remark: "its size has no template yet" };
  return { method: { kind: "restore", size: row.size, template, snapshots }, remark: null };
}

/** Whatever earlier starts have left behind: it would hold the disk. */
async function removeEarlier(context: EnvironmentContext, row: EnvironmentRow): Promise<void> {
  const driver = context.drivers.of(row);
  for (const { machineId, environmentId } of await driver.list()) {
    if (machineId !== row.machineId && environmentId !== row.id) continue;
    await releaseMachine(context, driver, { id: machineId });
  }
  // A server that died before it had the machine made had its network.
  if (row.machineId !== null) await context.network.detach(row.machineId);
}

function isWorthRetrying(error: unknown): boolean {
  return shortageOf(error) === null && !(error instanceof PlatformError && error.code === "BAD_REQUEST");
}

async function giveUp(
  context: EnvironmentContext,
  row: EnvironmentRow,
  method: StartMethod,
  reason: string,
): Promise<void> {
  if (method.kind !== "resume") return fail(context, row, reason);
  // Its guest never went on, so that its snapshot is what it was.
  context.log.error("an environment could not be resumed", { environment: row.id, reason });
  await end(context, row, "paused", { reason: `it could not be resumed: ${reason}`, machineId: null });
}

async function fail(context: EnvironmentContext, row: EnvironmentRow, reason: string): Promise<void> {
  context.log.error("an environment could not be started", { environment: row.id, reason });
  if (await end(context, row, "failed", { reason, snapshotId: null })) dropSnapshot(context, row);
}

async function end(context: EnvironmentContext, row: EnvironmentRow, to: "paused" | "failed", patch: EnvironmentPatch) {
  if ((await context.rows.transition(row.id, ["creating"], to, { ...AT_REST, ...patch })) === null) return false;
  changed(context, row);
  return true;
}
