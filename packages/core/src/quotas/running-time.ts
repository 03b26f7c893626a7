const DAY_MS = 86_400_000;

/** The day of UTC that a time is in: `2026-11-29`. Times are ISO 8601 in UTC. */
export const dayOf = (time: string): string => time.slice(0, 10);

/** When that day is over, ms since the epoch. */
export const dayEndOf = (time: string): number => Date.parse(dayOf(time)) + DAY_MS;

/** Whole seconds of each day of UTC between two times, the rest of a second counted as one. */
export function secondsByDay(since: string, until: string): ReadonlyMap<string, number> {
  const days = new Map<string, number>();
  const end = Date.parse(until);
  for (let at = Date.parse(since); at < end; ) {
    const iso = new Date(at).toISOString();
    const next = Math.min(end, dayEndOf(iso));
    days.set(dayOf(iso), Math.ceil((next - at) / 1000));
    at = next;
  }
  return days;
}

/** Ms of a run that fall into the day of `now`. */
export function msOfDay(since: string, now: string): number {
  return Math.max(0, Date.parse(now) - Math.max(Date.parse(since), Date.parse(dayOf(now))));
}
