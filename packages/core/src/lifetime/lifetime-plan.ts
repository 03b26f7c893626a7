import type { EnvironmentState, Notice } from "@microterm/protocol";

/** What is known of one environment that may end by itself. Times in ms since the epoch. */
export interface LifetimeFacts {
  readonly now: number;
  readonly state: EnvironmentState;
  readonly createdAt: number;
  /** Null: never removed. */
  readonly expiresAt: number | null;
  /** Null: never idle. */
  readonly idleTimeoutMs: number | null;
  /** When it was last used: typed into, asked to run something, or computing. */
  readonly usedAt: number;
  /** What is to rest is paused; stopped, where this is false. */
  readonly canPause: boolean;
  /** When its owner's hours of the day are used up, and all that it runs is ended; null: not so far. */
  readonly hoursEnd: number | null;
}

export interface LifetimePlan {
  readonly action: "none" | "pause" | "stop" | "destroy";
  /** Of an action. */
  readonly cause?: "expiry" | "hours" | "idle";
  readonly notice: Notice | null;
  /** When to plan again if nothing changes; null: never. */
  readonly nextAt: number | null;
}

/** A person who looks has this long to keep it; of a time that is shorter than ten of these, a tenth. */
const NOTICE_MS = 60_000;
/** What is removed does not come back: that is said this long before already; of a shorter time than two of these, half-way. */
const EARLY_NOTICE_MS = 600_000;

/** Above this share of one CPU it is at work. An idle guest, emulated, takes 1 % of the host's. */
const BUSY_SHARE = 0.05;

const leadOf = (wholeMs: number): number => Math.min(NOTICE_MS, wholeMs / 10);
const earlyLeadOf = (wholeMs: number): number => Math.min(EARLY_NOTICE_MS, wholeMs / 2);

/** CPU time that an environment had used at a time, both in ms. */
export interface CpuSample {
  readonly at: number;
  readonly busyMs: number;
}

/** Whether it was in use between two samples, with or without clients. */
export function isAtWork(before: CpuSample, now: CpuSample): boolean {
  return (now.busyMs - before.busyMs) / Math.max(1, now.at - before.at) > BUSY_SHARE;
}

/** Decides what an environment's time has come for. Its end goes before its rest. */
export function planLifetime(facts: LifetimeFacts): LifetimePlan {
  if (facts.state === "destroying") return { action: "none", notice: null, nextAt: null };
  const lifeMs = (facts.expiresAt ?? 0) - facts.createdAt;
  const expiry = due(facts.now, facts.expiresAt, [earlyLeadOf(lifeMs), leadOf(lifeMs)]);
  const isLast = expiry.noticesDue === 2;
  const expiryNotice: Notice | null =
    expiry.noticesDue === 0 ? null : { code: "expiry", at: isoOf(facts.expiresAt), isLast };
  if (expiry.isOver) return { action: "destroy", cause: "expiry", notice: null, nextAt: null };
  const action = facts.canPause ? "pause" : "stop";

  const hoursEnd = facts.state === "running" ? facts.hoursEnd : null;
  const hours = due(facts.now, hoursEnd, [EARLY_NOTICE_MS]);
  if (hours.isOver) return { action, cause: "hours", notice: expiryNotice, nextAt: expiry.nextAt };
  const hoursNotice: Notice | null = hours.noticesDue === 0 ? null : { code: "hours", at: isoOf(hoursEnd), action };

  const isIdling = facts.state === "running" && facts.idleTimeoutMs !== null;
  const idleMs = facts.idleTimeoutMs ?? 0;
  const idleAt = isIdling ? facts.usedAt + idleMs : null;
  const idle = due(facts.now, idleAt, [leadOf(idleMs)]);
  if (idle.isOver) return { action, cause: "idle", notice: expiryNotice, nextAt: expiry.nextAt };
  const idleNotice: Notice | null = idle.noticesDue === 0 ? null : { code: "idle", at: isoOf(idleAt), action };
  // The last word about its end goes before its rest, which can be undone; the first is still there afterwards. What use does not put off
  // goes before what it does.
  const notice = isLast ? expiryNotice : (hoursNotice ?? idleNotice ?? expiryNotice);
  return { action: "none", notice, nextAt: earlier(earlier(expiry.nextAt, idle.nextAt), hours.nextAt) };
}

const isoOf = (time: number | null): string => new Date(time ?? 0).toISOString();

interface Due {
  readonly isOver: boolean;
  readonly nextAt: number | null;
  /** How many of its notices are due. */
  readonly noticesDue: number;
}

/** `leads`: how long before its end each notice comes, the earliest first. */
function due(now: number, at: number | null, leads: readonly number[]): Due {
  if (at === null) return { isOver: false, nextAt: null, noticesDue: 0 };
  const times = [...leads.map((lead) => at - lead), at];
  const nextAt = times.find((time) => now < time) ?? at;
  return { isOver: now >= at, nextAt, noticesDue: Math.min(leads.length, times.indexOf(nextAt)) };
}

function earlier(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}
