import type { EnvironmentId } from "@microterm/protocol";
import type { Clock } from "../../ports/clock.ts";
import { Turns } from "./turns.ts";

/** Longest time that timers take, ms (setTimeout, 2^31 − 1). */
const LONGEST_SLEEP_MS = 2 ** 31 - 1;

/**
 * One change at a time of what an environment reaches: its policy, and the network that it is in. With one timer for each, until the
 * change that comes by itself.
 */
export class NetworkTurns extends Turns<EnvironmentId> {
  readonly #timers = new Map<EnvironmentId, AbortController>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    super();
    this.#clock = clock;
  }

  /** Calls `due` at a time, ms since the epoch, in the place of what was scheduled before; null: never. */
  schedule(id: EnvironmentId, at: number | null, closing: AbortSignal, due: () => void): void {
    this.cancel(id);
    if (at === null) return;
    const timer = new AbortController();
    this.#timers.set(id, timer);
    const sleepMs = Math.min(Math.max(at - this.#clock.now(), 0) + 1, LONGEST_SLEEP_MS);
    this.#clock.sleep(sleepMs, AbortSignal.any([timer.signal, closing])).then(
      () => {
        if (this.#timers.get(id) === timer) this.#timers.delete(id);
        due();
      },
      // Rescheduled or cancelled; or the server ends, and the next one sets the policy again.
      () => {},
    );
  }

  /** What was scheduled does not come: the machine is held no longer. */
  cancel(id: EnvironmentId): void {
    this.#timers.get(id)?.abort();
    this.#timers.delete(id);
  }
}
