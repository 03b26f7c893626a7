/** Of 198.18.0.0/15, for measurements between networks (RFC 2544): nothing is there, and the slot rejects it. */
const FIRST = (198 << 24) | (18 << 16);
const ADDRESSES = 1 << 17;
/** Names that one guest's denials are explained by; of more, those that were asked for longest ago are forgotten. */
const MAX_NAMES = 1024;

/**
 * Addresses that stand for names which the policy denies. A program that was given an address goes on to connect to it, so that
 * the port is known, and fails at once; one that was told that there is no such name would report another fault than there is.
 */
export class DeniedNames {
  readonly #addresses = new Map<string, string>();
  readonly #names = new Map<string, string>();
  #next = 0;

  /** The same name has the same address, for as long as it is remembered. */
  addressOf(name: string): string {
    const known = this.#addresses.get(name);
    if (known !== undefined) {
      this.#addresses.delete(name);
      this.#addresses.set(name, known);
      return known;
    }
    this.#forgetOldest();
    const address = this.#free();
    this.#addresses.set(name, address);
    this.#names.set(address, name);
    return address;
  }

  /** Null: it stands for none, or for one that is forgotten. */
  nameOf(address: string): string | null {
    return this.#names.get(address) ?? null;
  }

  #forgetOldest(): void {
    if (this.#addresses.size < MAX_NAMES) return;
    for (const [name, address] of this.#addresses) {
      this.#addresses.delete(name);
      this.#names.delete(address);
      return;
    }
  }

  /** Addresses are used in turn: a program may hold on to one for a while after its name was forgotten. */
  #free(): string {
    for (;;) {
      // Not the first and the last: some programs take them for a network's own.
      this.#next = (this.#next % (ADDRESSES - 2)) + 1;
      const address = dotted((FIRST + this.#next) >>> 0);
      if (!this.#names.has(address)) return address;
    }
  }
}

const dotted = (address: number): string => [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
