/** Clients that are remembered without a connection. One is forgotten for those that left later. */
const MAX_DISCONNECTED = 64;

/** A connection on which a client types. */
export interface TypingConnection {
  /** More of its input is done with. */
  inputDone(): void;
  /** The client is back on another connection. */
  replaced(): void;
}

/** What one client has typed, over all of its connections. */
export class TypedInput {
  /** Bytes that came from it. */
  received = 0n;
  /** So many of them, from the first on, were taken by the terminal, or are known to be lost. */
  done = 0n;
  readonly #pieces: { readonly length: number; isDone: boolean }[] = [];
  /** The one that it has now. */
  #connection: TypingConnection | null = null;

  get isConnected(): boolean {
    return this.#connection !== null;
  }

  /** The connection before may still bring what was sent on it: it is not heard any more. */
  connect(connection: TypingConnection): void {
    const before = this.#connection;
    this.#connection = connection;
    before?.replaced();
  }

  disconnect(connection: TypingConnection): void {
    if (this.#connection === connection) this.#connection = null;
  }

  /** A piece came; the answer is to be called when nothing more will become of it. */
  receive(length: number): () => void {
    const piece = { length, isDone: false };
    this.received += BigInt(length);
    this.#pieces.push(piece);
    return () => {
      piece.isDone = true;
      for (let head = this.#pieces[0]; head?.isDone === true; head = this.#pieces[0]) {
        this.done += BigInt(head.length);
        this.#pieces.shift();
      }
      this.#connection?.inputDone();
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
    let disconnected = [...this.#clients.values()].filter(({ isConnected }) => !isConnected).length;
    for (const [other, { isConnected }] of this.#clients) {
      if (disconnected <= MAX_DISCONNECTED) break;
      if (isConnected || other === name) continue;
      this.#clients.delete(other);
      disconnected -= 1;
    }
    return { typed, isKnown: known !== undefined };
  }
}
