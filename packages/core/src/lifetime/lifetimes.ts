import type { EnvironmentId, Notice, OwnerId } from "@microterm/protocol";
import type { Clock, Log } from "../ports/clock.ts";
import type { GuestMetrics } from "../ports/guest-agent.ts";
import type { EnvironmentRow } from "../ports/repository.ts";
import { nap } from "../time/nap.ts";
import { describeError } from "../words/words.ts";
import { type LifetimePlan, planLifetime } from "./lifetime-plan.ts";

/** Above this share of one CPU a guest is at work, with or without clients. An idle one uses well below 1 %. */
const BUSY_SHARE = 0.05;
/** A guest is asked what it uses so often at most; a time-out shorter than three of these is looked at more often. */
const SAMPLE_MS = 20_000;
const SHORTEST_SAMPLE_MS = 1_000;
/** Several changes at once are handled together, after the callers that wait for them. */
const SETTLE_MS = 200;
const LONGEST_SLEEP_MS = 60_000;

/** When environments are paused, stopped and removed by themselves. What is in memory starts over with the process. */
export interface Lifetimes {
  /** It was used. Cheap: one entry in a map. */
  note(id: EnvironmentId): void;
  /** It runs, or was given another idle time-out: its idle time begins. */
  began(id: EnvironmentId): void;
  noticeOf(id: EnvironmentId): Notice | null;
  /** A pause that was asked for did not come about; the next use, or the next pause, takes the notice away. */
  pauseFailed(row: Pick<EnvironmentRow, "id" | "owner">, reason: string): void;
  forget(id: EnvironmentId): void;
  /** Watches until `signal` aborts. Once, after the recovery. */
  begin(signal: AbortSignal): void;
}

export interface LifetimeParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly canPause: boolean;
  listTimed(): Promise<readonly EnvironmentRow[]>;
  /** Rejects when the guest does not answer. */
  metrics(id: EnvironmentId): Promise<GuestMetrics>;
  /** For a person, why: `idle for 30 minutes`. */
  end(action: "pause" | "stop" | "destroy", row: EnvironmentRow, reason: string): Promise<unknown>;
  changed(row: { readonly id: EnvironmentId; readonly owner: OwnerId }): void;
  /** Returns what ends it. */
  subscribe(listener: () => void): () => void;
}

interface Sample {
  readonly at: number;
  readonly busyMs: number;
}

export function createLifetimes(parts: LifetimeParts): Lifetimes {
  const { clock, log } = parts;
  const used = new Map<EnvironmentId, number>();
  const notices = new Map<EnvironmentId, { readonly owner: OwnerId; readonly notice: Notice }>();
  const samples = new Map<EnvironmentId, Sample>();
  const sampledAt = new Map<EnvironmentId, number>();
  /** What is being ended now. */
  const ending = new Set<EnvironmentId>();
  let wake = () => {};

  function setNotice(row: Pick<EnvironmentRow, "id" | "owner">, notice: Notice | null): void {
    const before = notices.get(row.id)?.notice ?? null;
    if (isSame(before, notice)) return;
    // A failure stays in the notice until there is something else to report.
    if (before?.code === "pause-failed" && notice === null) return;
    if (notice === null) notices.delete(row.id);
    else notices.set(row.id, { owner: row.owner, notice });
    parts.changed(row);
  }

  function note(id: EnvironmentId): void {
    used.set(id, clock.now());
    const shown = notices.get(id);
    if (shown === undefined || shown.notice.code === "expiry") return;
    notices.delete(id);
    parts.changed({ id, owner: shown.owner });
    wake();
  }

  function planOf(row: EnvironmentRow): LifetimePlan {
    const now = clock.now();
    // Unknown after a restart of the server: counted from now.
    const usedAt = used.get(row.id) ?? now;
    if (!used.has(row.id)) used.set(row.id, now);
    return planLifetime({
      now,
      state: row.state,
      createdAt: Date.parse(row.createdAt),
      expiresAt: row.expiresAt === null ? null : Date.parse(row.expiresAt),
      idleTimeoutMs: row.idleTimeoutSeconds === null || isLeaving(row) ? null : row.idleTimeoutSeconds * 1000,
      usedAt,
      canPause: parts.canPause,
    });
  }

  /** Counts a guest's work as use. A guest says what it likes: at worst it keeps itself awake, as any program in it can. */
  async function sample(row: EnvironmentRow): Promise<void> {
    sampledAt.set(row.id, clock.now());
    try {
      const { cpu } = await parts.metrics(row.id);
      const now = { at: clock.now(), busyMs: cpu.userMs + cpu.systemMs };
      const before = samples.get(row.id);
      samples.set(row.id, now);
      if (before === undefined) return;
      const share = (now.busyMs - before.busyMs) / Math.max(1, now.at - before.at);
      if (share > BUSY_SHARE) note(row.id);
    } catch (error) {
      samples.delete(row.id);
      log.info("an environment's use could not be read", { environment: row.id, error: describeError(error) });
    }
  }

  const sampleEveryMs = (row: EnvironmentRow): number =>
    Math.max(SHORTEST_SAMPLE_MS, Math.min(SAMPLE_MS, ((row.idleTimeoutSeconds ?? 0) * 1000) / 3));

  /** Resolves with the time at which it wants to be looked at again; null: never. */
  async function look(row: EnvironmentRow): Promise<number | null> {
    if (ending.has(row.id)) return null;
    const isWatched = row.state === "running" && row.idleTimeoutSeconds !== null && !isLeaving(row);
    if (isWatched && clock.now() >= (sampledAt.get(row.id) ?? 0) + sampleEveryMs(row)) await sample(row);
    let plan = planOf(row);
    if (plan.action === "pause" || plan.action === "stop") {
      // Once more before it loses its CPU: it may have begun to compute since.
      await sample(row);
      plan = planOf(row);
    }
    if (plan.action !== "none") {
      // Not waited for: a whole destroy is in it, and the time of other environments goes on meanwhile.
      ending.add(row.id);
      void end(row, plan.action).finally(() => ending.delete(row.id));
      return null;
    }
    setNotice(row, plan.notice);
    if (!isWatched || plan.nextAt === null) return plan.nextAt;
    return Math.min(plan.nextAt, (sampledAt.get(row.id) ?? clock.now()) + sampleEveryMs(row));
  }

  async function end(row: EnvironmentRow, action: "pause" | "stop" | "destroy"): Promise<void> {
    const reason =
      action === "destroy" ? "its time to live is over" : `idle for ${duration(row.idleTimeoutSeconds ?? 0)}`;
    log.info("an environment's time has come", { environment: row.id, action, reason });
    // Whatever becomes of it, it is not tried again before its time has passed once more.
    used.set(row.id, clock.now());
    notices.delete(row.id);
    try {
      await parts.end(action, row, reason);
    } catch (error) {
      log.warn("an environment could not be ended in its time", { environment: row.id, error: describeError(error) });
    }
  }

  /** What nobody looks at any more, because it has no times now, will not come. */
  function dropNoticesBut(timed: readonly EnvironmentRow[]): void {
    const ids = new Set(timed.map(({ id }) => id));
    for (const [id, { owner, notice }] of notices) {
      if (notice.code !== "pause-failed" && !ids.has(id)) setNotice({ id, owner }, null);
    }
  }

  async function work(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // Before they are listed: what changes while they are looked at is looked at again.
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const rows = await parts.listTimed();
      dropNoticesBut(rows);
      // Each by itself: one guest that does not answer delays no other environment.
      const looks = await Promise.all(rows.map(look));
      const nextAt = Math.min(...looks.filter((at) => at !== null), clock.now() + LONGEST_SLEEP_MS);
      const hasChanged = await nap({ clock, ms: Math.max(1, nextAt - clock.now()), woken, signal });
      if (hasChanged) await clock.sleep(SETTLE_MS, signal);
    }
  }

  return {
    note,
    began: (id) => {
      used.set(id, clock.now());
      samples.delete(id);
      sampledAt.delete(id);
    },
    noticeOf: (id) => notices.get(id)?.notice ?? null,
    pauseFailed: (row, reason) => setNotice(row, { code: "pause-failed", detail: reason }),
    forget(id) {
      for (const map of [used, notices, samples, sampledAt]) map.delete(id);
    },
    begin(signal) {
      const unsubscribe = parts.subscribe(() => wake());
      signal.addEventListener("abort", unsubscribe, { once: true });
      void (async () => {
        while (!signal.aborted) {
          try {
            await work(signal);
          } catch (error) {
            if (signal.aborted) return;
            log.error("lifetimes could not be looked after", { error: describeError(error) });
            await clock.sleep(LONGEST_SLEEP_MS, signal).catch(() => {});
          }
        }
      })();
    },
  };
}

const isSame = (one: Notice | null, other: Notice | null): boolean => JSON.stringify(one) === JSON.stringify(other);

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
