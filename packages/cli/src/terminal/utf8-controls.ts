/** The first byte of U+0080 to U+00BF as UTF-8. */
const LEAD = 0xc2;
/** U+FFFD as UTF-8: what stood beside a control must not come to stand beside each other. */
const REPLACEMENT = [0xef, 0xbf, 0xbd] as const;

/** Replaces C1 controls (U+0080 to U+009F) in UTF-8 that comes in pieces, cut anywhere. Changes no other byte. */
export class Utf8Controls {
  #holds = false;

  pass(bytes: Uint8Array): Uint8Array {
    if (!this.#holds && !bytes.includes(LEAD)) return bytes;
    const out: number[] = [];
    for (const byte of bytes) {
      if (this.#holds) {
        this.#holds = false;
        if (byte >= 0x80 && byte <= 0x9f) {
          out.push(...REPLACEMENT);
          continue;
        }
        out.push(LEAD);
      }
      if (byte === LEAD) this.#holds = true;
      else out.push(byte);
    }
    return Uint8Array.from(out);
  }

  /** Forgets a character that was cut. */
  restart(): void {
    this.#holds = false;
  }
}
