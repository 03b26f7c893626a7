import type { Clock } from "../ports/clock.ts";

/** A Clock's longest sleep, ms (Node's timers take 31 bits): a loop that has nothing to wait for looks again after some weeks. */
const LONGEST_MS = 2 ** 31 - 1;

export interface Nap {
  readonly clock: Clock;
  /** Infinity: until it is woken. */
  readonly ms: number;
  readonly woken: Promise<void>;
  readonly signal: AbortSignal;
}

/** For loops that look again at a time, or when something has changed. True when it was woken. Rejects when `signal` aborts. */
export async function nap({ clock, ms, woken, signal }: Nap): Promise<boolean> {
  const timer = new AbortController();
  const slept = clock.sleep(Math.min(ms, LONGEST_MS), AbortSignal.any([signal, timer.signal]));
  slept.catch(() => {});
  try {
    return await Promise.race([woken.then(() => true), slept.then(() => false)]);
  } finally {
    timer.abort();
  }
}
