import type { OwnerId } from "@microterm/protocol";
import type { RunningAccount } from "../ports/repository.ts";
import { dayEndOf } from "../quotas/running-time.ts";

const HOUR_MS = 3_600_000;

/**
 * When the hours of the day are used up of each account of which they will be, ms since the epoch. They are those of all that runs together:
 * with two that run they pass twice as fast. Times are whole seconds, so that the same end is the same whenever it is looked at.
 */
export function hoursEnds(accounts: readonly RunningAccount[], now: number): ReadonlyMap<OwnerId, number> {
  const ends = accounts.map((one) => [one.account, hoursEnd(one, now)] as const);
  return new Map(ends.filter((end): end is [OwnerId, number] => end[1] !== null));
}

/** Null: not in this day. */
function hoursEnd({ hoursPerDay, usedMs, running }: RunningAccount, now: number): number | null {
  if (hoursPerDay === null) return null;
  const leftMs = hoursPerDay * HOUR_MS - usedMs;
  if (leftMs <= 0) return now;
  const at = Math.floor(Math.round(now + leftMs / Math.max(1, running)) / 1000) * 1000;
  return at >= dayEndOf(new Date(now).toISOString()) ? null : at;
}
