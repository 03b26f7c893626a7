import type { Clock } from "../ports/clock.ts";

/** Measures an operation and its steps, in milliseconds. A clock that is set back meanwhile gives 0. */
export class Stopwatch {
  readonly #clock: Pick<Clock, "now">;
  readonly #began: number;
  readonly #steps = new Map<string, number>();
  #step: { readonly name: string; readonly began: number } | null = null;

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
    this.#began = clock.now();
  }

  /** The step before ends, and this one begins. A step that is entered again adds up. */
  enter(step: string): void {
    this.#endStep();
    this.#step = { name: step, began: this.#clock.now() };
  }

  /** Ends the step under way. */
  read(): { readonly ms: number; readonly steps: Readonly<Record<string, number>> } {
    this.#endStep();
    return { ms: this.#since(this.#began), steps: Object.fromEntries(this.#steps) };
  }

  #endStep(): void {
    if (this.#step === null) return;
    const { name, began } = this.#step;
    this.#steps.set(name, (this.#steps.get(name) ?? 0) + this.#since(began));
    this.#step = null;
  }

  #since(time: number): number {
    return Math.max(0, Math.round((this.#clock.now() - time) * 10) / 10);
  }
}
