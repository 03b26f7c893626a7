import type { MachineEnd } from "@microterm/core";

/** Reports the end of one machine, once, and holds it back while the machine is being saved. */
export class EndReport {
  readonly #ended: (end: MachineEnd) => void;
  readonly #released = new AbortController();
  #hasEnded = false;
  /** While the machine is being saved: the end that was seen, if any. */
  #expected: { end: MachineEnd | undefined } | undefined;

  constructor(ended: (end: MachineEnd) => void) {
    this.#ended = ended;
  }

  /** Aborted with the release. */
  get signal(): AbortSignal {
    return this.#released.signal;
  }

  /** Whether the machine has ended or was released. */
  get isOver(): boolean {
    return this.#hasEnded || this.#released.signal.aborted;
  }

  get isExpected(): boolean {
    return this.#expected !== undefined;
  }

  end(end: MachineEnd): void {
    if (this.isOver) return;
    if (this.#expected !== undefined) {
      this.#expected.end ??= end;
      return;
    }
    this.#hasEnded = true;
    this.#ended(end);
  }

  expectEnd(): void {
    this.#expected ??= { end: undefined };
  }

  expectNoEnd(): void {
    const end = this.#expected?.end;
    this.#expected = undefined;
    if (end !== undefined) this.end(end);
  }

  release(): void {
    this.#released.abort(new Error("the machine was released"));
  }
}

/** The end of a guest that its kernel's own line tells of. */
export const panicked = (panic: string): MachineEnd => ({
  kind: "panicked",
  reason: `the guest's kernel died: ${panic}`,
});

export const POWERED_OFF: MachineEnd = { kind: "powered-off", reason: "the guest powered off" };

/** What is known of a VMM that died: `what`, what it complained of, and the last lines of its console. */
export const died = (what: string, { title, said, words }: Record<"title" | "said" | "words", string>): MachineEnd => ({
  kind: "died",
  reason: [
    what,
    ...(said === "" ? [] : [`${title} said: ${said}`]),
    ...(words === "" ? [] : [`last on its console: ${words}`]),
  ].join("; "),
});
