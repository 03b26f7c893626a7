import { PlatformError } from "@microterm/protocol";
import type { EnvironmentPatch, EnvironmentRow } from "../ports/repository.ts";
import { describeError } from "../words/words.ts";
import { reserveBeforePool } from "./admission.ts";
import { attempt, type Progress, Superseded, type Way } from "./attempt.ts";
import { claim } from "./claim.ts";
import { type Context, changed } from "./context.ts";
import { releaseMachine } from "./machines.ts";
import { dropSave } from "./saves.ts";
import { AT_REST, type BootNotes } from "./steps.ts";

/** A daemon that died in the first attempt is back before the second. */
const RETRY_PAUSE_MS = 1_000;

export interface BootOptions {
  /** A server that was restarted begins it again. */
  readonly isResumed: boolean;
  /** Nothing was ever made of it: it may come from the pool or from a template. */
  readonly isFresh: boolean;
  /** The host's room for it is reserved. False where the pool was thought to have a machine for it. */
  readonly hasRoom: boolean;
  readonly signal: AbortSignal;
}

/**
 * Brings a `creating` environment to `running`: claims a machine of the pool, or restores its size's template, or boots,
 * or resumes what was paused; with one visible second attempt. It ends in `failed`, or in `paused` where the save is as
 * good as before. When `signal` aborts, or the row has left `creating`, it leaves everything as it stands. Rejects
 * only when the database does.
 */
export async function boot(context: Context, row: EnvironmentRow, options: BootOptions): Promise<void> {
  const signal = AbortSignal.any([options.signal, context.closing.signal]);
  const leave = context.foreground.enter();
  try {
    if (options.isFresh && row.size !== null) {
      const { size, name } = row;
      for (let pooled = context.pool.take(size, name); pooled !== null; pooled = context.pool.take(size, name)) {
        if (await claim(context, row, pooled, signal)) return;
      }
    }
    await bootInTurn(context, row, { ...options, signal });
  } finally {
    leave();
  }
}

/** Restores want all of a CPU each: too many at once only slow each other down. */
async function bootInTurn(context: Context, row: EnvironmentRow, options: BootOptions): Promise<void> {
  // Another boot of it may have ended while this one waited for its turn.
  if ((await context.rows.get(row.id))?.state !== "creating") return;
  let endTurn = () => {};
  try {
    if (!options.hasRoom) {
      const { memoryMib, cpus, diskMib } = row;
      await reserveBeforePool(context, row.id, { memoryMib, cpus, diskMib });
    }
    if (wayOf(context, row, options.isFresh).way.kind !== "boot") {
      endTurn = await context.foreground.restoreTurn(options.signal);
    }
    await bootTwice(context, row, options, endTurn);
  } catch (error) {
    if (options.signal.aborted) return;
    if (!(error instanceof PlatformError)) throw error;
    await fail(context, row, describeError(error));
  } finally {
    endTurn();
  }
}

async function bootTwice(
  context: Context,
  row: EnvironmentRow,
  options: BootOptions,
  endTurn: () => void,
): Promise<void> {
  const { isFresh, isResumed, signal } = options;
  let { way, remark } = wayOf(context, row, isFresh);
  let retry: string | null = null;
  for (let isFirst = true; ; isFirst = false) {
    const progress: Progress = { step: "disk", making: null, hasRun: false };
    const notes: BootNotes = { isResumed, retry, remark };
    try {
      if (!isFirst || row.machineId !== null) await removeEarlier(context, row);
      return await attempt(context, { row, way, notes, progress, signal }).then(() => dropSave(context, row));
    } catch (error) {
      if (signal.aborted || error instanceof Superseded) return;
      const reason = describeError(error);
      const isCorrupt = error instanceof PlatformError && error.code === "SNAPSHOT_CORRUPT";
      if (way.kind === "resume" && (isCorrupt || progress.hasRun)) {
        return fail(context, row, `it could not be resumed: ${reason}; 'start' boots it with its disk`);
      }
      if (retry !== null || !isWorthRetrying(error)) return giveUp(context, row, way, reason);
      context.log.warn("a boot failed and is tried once more", { environment: row.id, way: way.kind, reason });
      if (way.kind === "restore") {
        if (isCorrupt) await context.templates.broken(way.size, way.template, reason);
        // Whatever it is, a boot needs none of it; and the disk goes with the memory it was saved with.
        await context.driver.removeDisk(row.diskId).catch(() => {});
        way = { kind: "boot" };
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

function wayOf(context: Context, row: EnvironmentRow, isFresh: boolean): { way: Way; remark: string | null } {
  const { snapshots } = context;
  if (snapshots === null) return { way: { kind: "boot" }, remark: null };
  if (row.saveId !== null) return { way: { kind: "resume", saveId: row.saveId, snapshots }, remark: null };
  // Templates are of the current image; one that a server of another image was asked for is not.
  const isCurrent = row.image === (context.driver.images?.current ?? null);
  if (!isFresh || row.size === null || !isCurrent) return { way: { kind: "boot" }, remark: null };
  const template = context.templates.keyOf(row.size);
  if (template === null) return { way: { kind: "boot" }, remark: "its size has no template yet" };
  return { way: { kind: "restore", size: row.size, template, snapshots }, remark: null };
}

/** Whatever earlier boots have left behind: it would hold the disk. */
async function removeEarlier(context: Context, row: EnvironmentRow): Promise<void> {
  for (const { machineId, environmentId } of await context.driver.list()) {
    if (machineId === row.machineId || environmentId === row.id) await releaseMachine(context, machineId);
  }
}

function isWorthRetrying(error: unknown): boolean {
  return !(
    error instanceof PlatformError &&
    (error.code === "HOST_OUT_OF_MEMORY" || error.code === "HOST_OUT_OF_DISK" || error.code === "BAD_REQUEST")
  );
}

async function giveUp(context: Context, row: EnvironmentRow, way: Way, reason: string): Promise<void> {
  if (way.kind !== "resume") return fail(context, row, reason);
  // Its guest never went on, so that its save is what it was.
  context.log.error("an environment could not be resumed", { environment: row.id, reason });
  await end(context, row, "paused", { reason: `it could not be resumed: ${reason}`, machineId: null });
}

async function fail(context: Context, row: EnvironmentRow, reason: string): Promise<void> {
  context.log.error("an environment could not be started", { environment: row.id, reason });
  if (await end(context, row, "failed", { reason, saveId: null })) dropSave(context, row);
}

async function end(context: Context, row: EnvironmentRow, to: "paused" | "failed", patch: EnvironmentPatch) {
  if ((await context.rows.transition(row.id, ["creating"], to, { ...AT_REST, ...patch })) === null) return false;
  changed(context, row);
  return true;
}
