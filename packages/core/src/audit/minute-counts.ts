const MINUTE_MS = 60_000;
/** Entries that are written at once in a minute, and counts that are kept: however many come at once, no more than these are written. */
const MOST_AT_ONCE = 64;
const MOST_COUNTS = 512;

export type Counted<T> = T & { readonly count: number };

export interface MinuteCountsOptions<T> {
  /** What is counted together. */
  readonly keyOf: (event: T) => string;
  /** What is kept of one past the most counts: of few kinds. */
  readonly coarse: (event: T) => T;
}

/** Counts events for the minute that goes on. */
export class MinuteCounts<T extends object> {
  readonly #options: MinuteCountsOptions<T>;
  #minute = 0;
  #atOnce = 0;
  readonly #counts = new Map<string, Counted<T>>();

  constructor(options: MinuteCountsOptions<T>) {
    this.#options = options;
  }

  /** What is to be written now: counts of a minute that is over, and this one where it is the first of its own. */
  add(event: T, now: number): { readonly over: readonly Counted<T>[]; readonly isFirst: boolean } {
    const { keyOf, coarse } = this.#options;
    const over = this.endMinute(now);
    const key = keyOf(event);
    if (!this.#counts.has(key) && this.#atOnce < MOST_AT_ONCE) {
      this.#atOnce += 1;
      this.#counts.set(key, { ...event, count: 0 });
      return { over, isFirst: true };
    }
    const kept = this.#counts.has(key) || this.#counts.size < MOST_COUNTS ? event : coarse(event);
    const known = this.#counts.get(keyOf(kept))?.count ?? 0;
    this.#counts.set(keyOf(kept), { ...kept, count: known + 1 });
    return { over, isFirst: false };
  }

  /** Counts of the minute before, if it is over. */
  endMinute(now: number): readonly Counted<T>[] {
    const minute = Math.floor(now / MINUTE_MS);
    if (minute === this.#minute) return [];
    this.#minute = minute;
    return this.end();
  }

  /** All counts there are. */
  end(): readonly Counted<T>[] {
    const counted = [...this.#counts.values()].filter(({ count }) => count > 0);
    this.#counts.clear();
    this.#atOnce = 0;
    return counted;
  }
}
