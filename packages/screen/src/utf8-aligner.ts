/**
 * Cuts a byte stream between characters. xterm.js 6.0 loses a character that is split between two writes where its second byte is 0x80
 * (an em dash, for one), so what it draws would depend on how the bytes were delivered.
 */

/** How many bytes at the end of `bytes` begin a UTF-8 character that is not complete (0–3). */
export const unfinishedUtf8 = (bytes: Uint8Array): number => {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80 || byte >= 0xf8) return 0;
    if (byte < 0xc0) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? back : 0;
  }
  return 0;
};

const NONE = new Uint8Array(0);

export const concat = (a: Uint8Array, b: Uint8Array): Uint8Array => {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
};

export interface Utf8Aligner {
  /** What of the bytes so far may be written now; at most 3 bytes are held. */
  push(bytes: Uint8Array): Uint8Array;
  readonly held: Uint8Array;
  reset(): void;
}

export const createUtf8Aligner = (): Utf8Aligner => {
  let held = NONE;
  return {
    get held() {
      return held;
    },
    push(bytes) {
      const whole = held.length === 0 ? bytes : concat(held, bytes);
      const open = unfinishedUtf8(whole);
      // A copy: the caller may hand its buffer on.
      held = open === 0 ? NONE : whole.slice(-open);
      let end = whole.length - open;
      // What is unfinished before another beginning never ends; a decoder drops it.
      for (let lost = open; lost > 0 && end > 0; end -= lost) lost = unfinishedUtf8(whole.subarray(0, end));
      return end === whole.length ? whole : whole.subarray(0, end);
    },
    reset() {
      held = NONE;
    },
  };
};
