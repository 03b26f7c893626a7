/** What a reconnecting connection needs of its surroundings; tests give their own. */
export interface Timing {
  /** Milliseconds, from any fixed point. */
  now(): number;
  /** Calls `action` once after `ms`; returns how to prevent it. */
  after(ms: number, action: () => void): () => void;
  /** A number in [0, 1). */
  random(): number;
}

export const realTiming: Timing = {
  now: () => performance.now(),
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};

const BACKOFF_FIRST_MS = 100;
const BACKOFF_LAST_MS = 5_000;

/**
 * Milliseconds to wait before reconnect number `attempt` (0 first): doubling from 100 ms to 5 s, the upper half of it
 * random, so that a thousand pages do not come back to a restarted server in one instant.
 */
export function backoffMs(attempt: number, random: () => number): number {
  const ceiling = Math.min(BACKOFF_LAST_MS, BACKOFF_FIRST_MS * 2 ** Math.min(attempt, 16));
  return Math.max(BACKOFF_FIRST_MS, Math.round(ceiling * (0.5 + random() / 2)));
}
