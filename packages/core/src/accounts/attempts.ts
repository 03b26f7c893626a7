import type { Clock } from "../ports/clock.ts";
import type { Storage } from "../ports/repository.ts";

/** How often something may fail, for each of many keys. */
export interface Attempts {
  /** Counts one, and says whether there were fewer than the limit in the time before it. */
  begin(key: string): Promise<boolean>;
  /** One that has succeeded counts no more. */
  succeeded(key: string): Promise<void>;
}

export interface AttemptLimits {
  readonly limit: number;
  readonly windowMs: number;
}

/** `name`: of what is tried. */
export type OpenAttempts = (name: string, limits: AttemptLimits) => Attempts;

/** Of one limit. A key is an account's name and an address at most: 10,000 of them take some megabytes. */
const KEYS = 10_000;

interface Count {
  attempts: number;
  readonly since: number;
}

/** Counts of a server that is alone. `now` is in milliseconds, and only goes up. */
export function createAttempts(
  { limit, windowMs }: AttemptLimits,
  now: () => number,
  { keys = KEYS }: { readonly keys?: number } = {},
): Attempts {
  /** The oldest first: a key that is counted anew goes to the end. */
  const counts = new Map<string, Count>();

  function current(key: string): Count | null {
    const count = counts.get(key);
    if (count !== undefined && now() - count.since < windowMs) return count;
    counts.delete(key);
    return null;
  }

  return {
    async begin(key) {
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
    async succeeded(key) {
      const count = current(key);
      if (count !== null) count.attempts -= 1;
    },
  };
}

export interface AttemptParts {
  readonly storage: Pick<Storage, "attempts" | "fleet">;
  readonly clock: Pick<Clock, "now">;
  /** In hex. */
  readonly sha256: (text: string) => string;
}

/** Where attempts are counted: in memory, or for all servers of a fleet together in its database. */
export function openAttempts({ storage, clock, sha256 }: AttemptParts): OpenAttempts {
  const now = () => clock.now();
  if (storage.fleet.number === null) return (_name, limits) => createAttempts(limits, now);
  const { attempts } = storage;
  return (name, { limit, windowMs }) => {
    const hashOf = (key: string): string => sha256(`${name} ${key}`);
    return {
      begin: async (key) => (await attempts.count(hashOf(key), now(), windowMs)) <= limit,
      succeeded: (key) => attempts.uncount(hashOf(key), now()),
    };
  };
}

/** In the database of a fleet, as many as a server that is alone has for all its limits together. */
const MOST_ROWS = 6 * KEYS;

/** Forgets attempts whose time is over, and the oldest ones where somebody has filled the table. */
export const sweepAttempts = ({ storage, clock }: Pick<AttemptParts, "storage" | "clock">): Promise<void> =>
  storage.fleet.number === null ? Promise.resolve() : storage.attempts.sweep(clock.now(), MOST_ROWS);
