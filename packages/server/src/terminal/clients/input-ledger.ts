/** Clients that are remembered without a connection. One is forgotten for those that left later. */
const MOST_GONE = 64;

/** What one client has typed, over all of its connections. */
export class TypedInput {
  /** Bytes that came from it. */
  received = 0n;
  /** So many of them, from the first on, were taken by the terminal, or are known to be lost. */
  settled = 0n;
  readonly #pieces: { readonly length: number; isSettled: boolean }[] = [];
  /** The connection that it has now. */
  #holder: { moved(): void; replaced(): void } | null = null;

  get isHeld(): boolean {
    return this.#holder !== null;
  }

  /** The connection before may still bring what was sent on it: it is not heard any more. */
  hold(holder: { moved(): void; replaced(): void }): void {
    const before = this.#holder;
    this.#holder = holder;
    before?.replaced();
  }

  leave(holder: object): void {
    if (this.#holder === holder) this.#holder = null;
  }

  /** A piece came; the answer is to be called when nothing more will become of it. */
  receive(length: number): () => void {
    const piece = { length, isSettled: false };
    this.received += BigInt(length);
    this.#pieces.push(piece);
    return () => {
      piece.isSettled = true;
      for (let head = this.#pieces[0]; head?.isSettled === true; head = this.#pieces[0]) {
        this.settled += BigInt(head.length);
        this.#pieces.shift();
      }
      this.#holder?.moved();
    };
  }
}

/** The clients of one terminal, by the names that they gave themselves. */
export class InputLedger {
  readonly #clients = new Map<string, TypedInput>();

  /** What a client has typed; `isKnown` is false for one that never came before. */
  of(name: string): { readonly typed: TypedInput; readonly isKnown: boolean } {
    const known = this.#clients.get(name);
    const typed = known ?? new TypedInput();
    // The latest is the last to be forgotten.
    this.#clients.delete(name);
    this.#clients.set(name, typed);
    let gone = [...this.#clients.values()].filter(({ isHeld }) => !isHeld).length;
    for (const [other, { isHeld }] of this.#clients) {
      if (gone <= MOST_GONE) break;
      if (isHeld || other === name) continue;
      this.#clients.delete(other);
      gone -= 1;
    }
    return { typed, isKnown: known !== undefined };
  }
}
