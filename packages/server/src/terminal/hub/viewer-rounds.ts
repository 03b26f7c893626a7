import type { AttachedClient } from "../clients/attached-client.ts";
import { VIEWER_ROUND_MS, VIEWERS_A_TURN } from "./flow-limits.ts";

/**
 * Hands output on to those who look at a shared terminal: after its own clients, a few in each turn of the event loop, so that hundreds of
 * them keep no key waiting.
 */
export class ViewerRounds {
  readonly #viewers = new Set<AttachedClient>();
  readonly #broke: (error: unknown) => void;
  /** Those of this round that are still to come. */
  #left: Iterator<AttachedClient> | null = null;
  #isDue = false;
  #begunAt = 0;

  constructor(broke: (error: unknown) => void) {
    this.#broke = broke;
  }

  get viewers(): ReadonlySet<AttachedClient> {
    return this.#viewers;
  }

  add(client: AttachedClient): void {
    this.#viewers.add(client);
  }

  /** False where it was none of them. */
  delete(client: AttachedClient): boolean {
    return this.#viewers.delete(client);
  }

  /** There is output. */
  pump(): void {
    if (this.#viewers.size === 0) return;
    this.#isDue = true;
    if (this.#left === null) this.#begin();
  }

  #begin(): void {
    this.#isDue = false;
    this.#left = this.#viewers.values();
    const waitMs = this.#begunAt + VIEWER_ROUND_MS - performance.now();
    if (waitMs > 0) setTimeout(this.#turn, waitMs).unref();
    else setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    try {
      this.#begunAt = performance.now();
      for (let count = 0; count < VIEWERS_A_TURN; count++) {
        const next = this.#left?.next();
        if (next === undefined || next.done === true) {
          this.#left = null;
          if (this.#isDue) this.#begin();
          return;
        }
        next.value.pump();
      }
      setImmediate(this.#turn);
    } catch (error) {
      this.#left = null;
      this.#broke(error);
    }
  };
}
