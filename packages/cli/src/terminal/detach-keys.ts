import { CliError } from "../failure.ts";

/** `ctrl-p,ctrl-q` or `a,b` as bytes, in Docker's notation. @throws CliError */
export function parseDetachKeys(text: string): Uint8Array {
  const keys = text.split(",").map((key) => {
    const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key)?.[1];
    if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f;
    return /^[\x21-\x7e]$/.test(key) ? key.charCodeAt(0) : Number.NaN;
  });
  if (keys.some(Number.isNaN)) {
    throw new CliError(`--detach-keys ${text} is no list of keys.`, {
      hint: "Write it like --detach-keys ctrl-p,ctrl-q",
    });
  }
  return Uint8Array.from(keys);
}

export function describeKeys(keys: Uint8Array): string {
  return [...keys]
    .map((key) => (key < 0x20 ? `Ctrl-${String.fromCharCode(key + 0x40)}` : String.fromCharCode(key)))
    .join(" ");
}

/** Looks for the keys in what is typed, which comes in pieces. A beginning of them is held until it is clear. */
export class DetachKeys {
  readonly #keys: Uint8Array;
  #matched = 0;

  constructor(keys: Uint8Array) {
    this.#keys = keys;
  }

  /** Whether typed bytes are held. */
  get isHolding(): boolean {
    return this.#matched > 0;
  }

  /** What to pass on. Nothing after the keys is: it was not meant for the program. */
  type(bytes: Uint8Array): { readonly pass: Uint8Array; readonly isDetached: boolean } {
    const pass: number[] = [];
    for (const byte of bytes) {
      while (this.#matched > 0 && byte !== this.#keys[this.#matched]) this.#shorten(pass);
      if (byte === this.#keys[this.#matched]) this.#matched += 1;
      else pass.push(byte);
      if (this.#matched === this.#keys.length) return { pass: Uint8Array.from(pass), isDetached: true };
    }
    return { pass: Uint8Array.from(pass), isDetached: false };
  }

  /** Gives up on the beginning that is held, and returns it. */
  release(): Uint8Array {
    const held = this.#keys.slice(0, this.#matched);
    this.#matched = 0;
    return held;
  }

  /** Releases as little as is needed for what remains held to be a beginning of the keys again. */
  #shorten(pass: number[]): void {
    for (let drop = 1; drop <= this.#matched; drop += 1) {
      const rest = this.#matched - drop;
      const isBeginning = this.#keys.subarray(drop, this.#matched).every((key, i) => key === this.#keys[i]);
      if (!isBeginning) continue;
      pass.push(...this.#keys.subarray(0, drop));
      this.#matched = rest;
      return;
    }
  }
}
