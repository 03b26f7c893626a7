/** How often something may fail, for each of many keys. Takes the memory of `keys` of them at most. */
export interface Attempts {
  /** Counts one, and says whether there were fewer than the limit in the time before it. */
  begin(key: string): boolean;
  /** One that has succeeded counts no more. */
  succeeded(key: string): void;
}

export interface AttemptLimits {
  readonly limit: number;
  readonly windowMs: number;
  readonly keys: number;
}

interface Count {
  attempts: number;
  readonly since: number;
}

/** `now` is in milliseconds, and only goes up. */
export function createAttempts({ limit, windowMs, keys }: AttemptLimits, now: () => number): Attempts {
  /** The oldest first: a key that is counted anew goes to the end. */
  const counts = new Map<string, Count>();

  function current(key: string): Count | null {
    const count = counts.get(key);
    if (count !== undefined && now() - count.since < windowMs) return count;
    counts.delete(key);
    return null;
  }

  return {
    begin(key) {
      const count = current(key);
      if (count === null) {
        const [oldest] = counts.keys();
        if (counts.size >= keys && oldest !== undefined) counts.delete(oldest);
        counts.set(key, { attempts: 1, since: now() });
        return true;
      }
      count.attempts += 1;
      return count.attempts <= limit;
    },
    succeeded(key) {
      const count = current(key);
      if (count !== null) count.attempts -= 1;
    },
  };
}
