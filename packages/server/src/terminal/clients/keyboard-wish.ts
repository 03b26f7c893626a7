import { KEYBOARD_MS } from "../hub/flow-limits.ts";

/** Passes on whether one who looks on wants to type: of many wishes in a short time the first and the last. */
export class KeyboardWish {
  readonly #ask: (isWanted: boolean) => Promise<void>;
  #next: boolean | null = null;
  #isBusy = false;

  constructor(ask: (isWanted: boolean) => Promise<void>) {
    this.#ask = ask;
  }

  wish(isWanted: boolean): void {
    this.#next = isWanted;
    if (!this.#isBusy) this.#pass();
  }

  #pass(): void {
    const wanted = this.#next;
    this.#next = null;
    this.#isBusy = wanted !== null;
    if (wanted === null) return;
    const again = (): void => void setTimeout(() => this.#pass(), KEYBOARD_MS).unref();
    // Of a grant that has ended meanwhile: its connection is being closed.
    this.#ask(wanted).then(again, again);
  }
}
