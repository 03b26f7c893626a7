import type { EnvironmentState, Notice } from "@microterm/protocol";

/** What is known of one environment with an idle time-out or a time to live. Times in ms since the epoch. */
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
  /** Idle environments are paused; stopped, where this is false. */
  readonly canPause: boolean;
}

export interface LifetimePlan {
  readonly action: "none" | "pause" | "stop" | "destroy";
  readonly notice: Notice | null;
  /** When to plan anew if nothing changes; null: never. */
  readonly nextAt: number | null;
}

/** A person who looks has this long to keep it; of a time that is shorter than ten of these, a tenth. */
const NOTICE_MS = 60_000;

const leadOf = (wholeMs: number): number => Math.min(NOTICE_MS, wholeMs / 10);

/** Decides what an environment's time has come for. Its end goes before its rest. */
export function planLifetime(facts: LifetimeFacts): LifetimePlan {
  if (facts.state === "destroying") return { action: "none", notice: null, nextAt: null };
  const expiry = due(facts.now, facts.expiresAt, (facts.expiresAt ?? 0) - facts.createdAt);
  if (expiry.isOver) return { action: "destroy", notice: null, nextAt: null };

  const isIdling = facts.state === "running" && facts.idleTimeoutMs !== null;
  const idleMs = facts.idleTimeoutMs ?? 0;
  const idle = due(facts.now, isIdling ? facts.usedAt + idleMs : null, idleMs);
  if (idle.isOver) {
    return {
      action: facts.canPause ? "pause" : "stop",
      notice: expiry.notice("expiry", "removed"),
      nextAt: expiry.nextAt,
    };
  }
  const verb = facts.canPause ? "paused" : "stopped";
  return {
    action: "none",
    notice: expiry.notice("expiry", "removed") ?? idle.notice("idle", `${verb} unless it is used`),
    nextAt: earlier(expiry.nextAt, idle.nextAt),
  };
}

interface Due {
  readonly isOver: boolean;
  readonly nextAt: number | null;
  notice(kind: "idle" | "expiry", what: string): Notice | null;
}

function due(now: number, at: number | null, wholeMs: number): Due {
  if (at === null) return { isOver: false, nextAt: null, notice: () => null };
  const noticeAt = at - leadOf(wholeMs);
  return {
    isOver: now >= at,
    nextAt: now < noticeAt ? noticeAt : at,
    notice: (kind, what) =>
      now < noticeAt ? null : { kind, at: new Date(at).toISOString(), message: `It will be ${what}.` },
  };
}

function earlier(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}
