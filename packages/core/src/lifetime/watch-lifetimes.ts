import type { EnvironmentId, OwnerId } from "@microterm/protocol";
import { describeError } from "../messages/describe-error.ts";
import type { Clock, Log } from "../ports/clock.ts";
import type { EnvironmentRow } from "../ports/repository.ts";
import { nap } from "../time/nap.ts";
import { isAtWork, type LifetimePlan, planLifetime } from "./lifetime-plan.ts";
import type { Lifetimes } from "./lifetimes.ts";

/** A guest is asked what it uses so often at most; a time-out shorter than three of these is looked at more often. */
const SAMPLE_MS = 20_000;
const SHORTEST_SAMPLE_MS = 1_000;
/** Several changes at once are handled together, after the callers that wait for them. */
const BATCH_MS = 200;
const LONGEST_SLEEP_MS = 60_000;
/** What could not be ended when its owner's hours were used up is tried again after this time: its use puts nothing off. */
const AGAIN_MS = 10_000;

export interface LifetimeParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly lifetimes: Lifetimes;
  canPause(row: EnvironmentRow): boolean;
  /** When the hours of the day of each account are used up that has such an end, ms since the epoch. */
  hoursEnds(): Promise<ReadonlyMap<OwnerId, number>>;
  /** Those with times of their own, and those of `owners` that run. */
  listTimed(owners: readonly OwnerId[]): Promise<readonly EnvironmentRow[]>;
  /** CPU time that it has used since it was started, ms. Rejects when that cannot be had now. */
  cpuMs(row: EnvironmentRow): Promise<number>;
  /** For a person, why: `idle for 30 minutes`. */
  end(action: "pause" | "stop" | "destroy", row: EnvironmentRow, reason: string): Promise<unknown>;
  /** Returns what ends it. */
  subscribe(listener: () => void): () => void;
}

/** Pauses, stops and removes environments in their time until `signal` aborts. Once, after the recovery. */
export function watchLifetimes(parts: LifetimeParts, signal: AbortSignal): void {
  const { clock, log, lifetimes } = parts;
  const { samples, sampledAt, wakeup } = lifetimes;
  /** What is being ended now. */
  const ending = new Set<EnvironmentId>();

  const triedAt = new Map<EnvironmentId, number>();

  /** Nothing puts that off: one that has failed to be paused for it is stopped. */
  const isOver = (hoursEnd: number | null): boolean => hoursEnd !== null && clock.now() >= hoursEnd;

  const planOf = (row: EnvironmentRow, hoursEnd: number | null): LifetimePlan =>
    planLifetime({
      now: clock.now(),
      state: row.state,
      createdAt: Date.parse(row.createdAt),
      expiresAt: row.expiresAt === null ? null : Date.parse(row.expiresAt),
      idleTimeoutMs: row.idleTimeoutSeconds === null || isLeaving(row) ? null : row.idleTimeoutSeconds * 1000,
      usedAt: lifetimes.usedAt(row.id),
      canPause: parts.canPause(row) && !(isOver(hoursEnd) && lifetimes.noticeOf(row.id)?.code === "pause-failed"),
      hoursEnd: isLeaving(row) ? null : hoursEnd,
    });

  /** Counts a guest's work as use. */
  async function sample(row: EnvironmentRow): Promise<void> {
    sampledAt.set(row.id, clock.now());
    try {
      const now = { at: clock.now(), busyMs: await parts.cpuMs(row) };
      const before = samples.get(row.id);
      samples.set(row.id, now);
      if (before === undefined) return;
      if (isAtWork(before, now)) lifetimes.note(row.id);
    } catch (error) {
      samples.delete(row.id);
      log.info("an environment's use could not be read", { environment: row.id, error: describeError(error) });
    }
  }

  /** Resolves with the time at which it wants to be looked at again; null: never. */
  async function look(row: EnvironmentRow, hoursEnd: number | null): Promise<number | null> {
    if (ending.has(row.id)) return null;
    const isWatched = row.state === "running" && row.idleTimeoutSeconds !== null && !isLeaving(row);
    if (isWatched && clock.now() >= (sampledAt.get(row.id) ?? 0) + sampleEveryMs(row)) await sample(row);
    let plan = planOf(row, hoursEnd);
    if (plan.cause === "idle") {
      // Once more before it loses its CPU: it may have begun to compute since.
      await sample(row);
      plan = planOf(row, hoursEnd);
    }
    const againAt = (triedAt.get(row.id) ?? 0) + AGAIN_MS;
    if (plan.cause === "hours" && clock.now() < againAt) return againAt;
    if (plan.action !== "none") {
      if (plan.cause === "hours") triedAt.set(row.id, clock.now());
      // Not waited for: a whole destroy is in it, and the time of other environments goes on meanwhile.
      ending.add(row.id);
      void end(row, plan).finally(() => ending.delete(row.id));
      return null;
    }
    lifetimes.setNotice(row, plan.notice);
    if (!isWatched || plan.nextAt === null) return plan.nextAt;
    return Math.min(plan.nextAt, (sampledAt.get(row.id) ?? clock.now()) + sampleEveryMs(row));
  }

  async function end(row: EnvironmentRow, { action, cause }: LifetimePlan): Promise<void> {
    if (action === "none") return;
    const reason = reasonOf(row, cause);
    log.info("an environment's time has come", { environment: row.id, action, reason });
    // Whatever becomes of it, it is not tried again before its time has passed once more.
    lifetimes.ending(row.id);
    try {
      await parts.end(action, row, reason);
    } catch (error) {
      log.warn("an environment could not be ended in its time", { environment: row.id, error: describeError(error) });
    }
  }

  async function work(): Promise<void> {
    while (!signal.aborted) {
      // Before they are listed: what changes while they are looked at is looked at again.
      const woken = wakeup.next();
      const ends = await parts.hoursEnds();
      const rows = await parts.listTimed([...ends.keys()]);
      lifetimes.dropNoticesBut(rows);
      for (const id of triedAt.keys()) if (!rows.some((row) => row.id === id)) triedAt.delete(id);
      // Each by itself: one guest that does not answer delays no other environment.
      const looks = await Promise.all(rows.map((row) => look(row, ends.get(row.owner) ?? null)));
      const nextAt = Math.min(...looks.filter((at) => at !== null), clock.now() + LONGEST_SLEEP_MS);
      const hasChanged = await nap({ clock, ms: Math.max(1, nextAt - clock.now()), woken, signal });
      if (hasChanged) await clock.sleep(BATCH_MS, signal);
    }
  }

  const unsubscribe = parts.subscribe(() => wakeup.wake());
  signal.addEventListener("abort", unsubscribe, { once: true });
  void (async () => {
    while (!signal.aborted) {
      try {
        await work();
      } catch (error) {
        if (signal.aborted) return;
        log.error("lifetimes could not be looked after", { error: describeError(error) });
        await clock.sleep(LONGEST_SLEEP_MS, signal).catch(() => {});
      }
    }
  })();
}

const sampleEveryMs = (row: EnvironmentRow): number =>
  Math.max(SHORTEST_SAMPLE_MS, Math.min(SAMPLE_MS, ((row.idleTimeoutSeconds ?? 0) * 1000) / 3));

function reasonOf({ idleTimeoutSeconds }: EnvironmentRow, cause: LifetimePlan["cause"]): string {
  switch (cause) {
    case "hours":
      return "its owner has no hours of running left today";
    case "idle":
      return `idle for ${duration(idleTimeoutSeconds ?? 0)}`;
    default:
      return "its time to live is over";
  }
}

/** It is being paused or stopped already: there is nothing left to be idle for, and its guest may be frozen. */
function isLeaving({ operation }: EnvironmentRow): boolean {
  return operation === "pause" || operation === "stop";
}

/** `90 s`, `30 minutes`, `8 hours`. */
function duration(seconds: number): string {
  if (seconds % 3600 === 0) return `${seconds / 3600} hour${seconds === 3600 ? "" : "s"}`;
  if (seconds % 60 === 0) return `${seconds / 60} minute${seconds === 60 ? "" : "s"}`;
  return `${seconds} s`;
}
