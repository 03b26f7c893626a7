import type { UpstreamAnswer } from "./upstream-answer.ts";

const MAX_ENTRIES = 256;
/** A change at the name's own servers is seen after so long at the latest. */
const MAX_TTL_MS = 300_000;

interface Entry {
  readonly answer: UpstreamAnswer;
  readonly storedAt: number;
  readonly expiresAt: number;
}

/** One guest's answers. A cache of all guests would let one find out what another asks for. */
export class NameCache {
  readonly #entries = new Map<string, Entry>();
  readonly #now: () => number;

  /** @param now milliseconds of a clock that never goes back. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** With what is left of the records' times. */
  get(key: string): UpstreamAnswer | null {
    const entry = this.#entries.get(key);
    if (entry === undefined) return null;
    const now = this.#now();
    if (now >= entry.expiresAt) {
      this.#entries.delete(key);
      return null;
    }
    const age = Math.floor((now - entry.storedAt) / 1000);
    return {
      ...entry.answer,
      records: entry.answer.records.map((record) => ({ ...record, ttl: Math.max(record.ttl - age, 1) })),
    };
  }

  set(key: string, answer: UpstreamAnswer): void {
    const ttl = Math.min(...answer.records.map((record) => record.ttl), answer.ttl);
    if (ttl <= 0) return;
    this.#entries.delete(key);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < MAX_ENTRIES) break;
      this.#entries.delete(oldest);
    }
    const storedAt = this.#now();
    this.#entries.set(key, { answer, storedAt, expiresAt: storedAt + Math.min(ttl * 1000, MAX_TTL_MS) });
  }
}
