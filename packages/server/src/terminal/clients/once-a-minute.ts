import type { Clock } from "@microterm/core";

const MINUTE_MS = 60_000;

/** Whether something is the first of its key in the minute that goes on. */
export function createOnceAMinute(clock: Pick<Clock, "now">): (key: string) => boolean {
  const seen = new Set<string>();
  let minute = 0;
  return (key) => {
    const current = Math.floor(clock.now() / MINUTE_MS);
    if (current !== minute) seen.clear();
    minute = current;
    return seen.size !== seen.add(key).size;
  };
}
