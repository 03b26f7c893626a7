/**
 * Finds the offsets at which a terminal's byte stream is between two sequences ("ground" in Paul Williams' parser),
 * because only there can a stream be cut and continued by another parser. Bytes of an unfinished sequence have no
 * effect on the screen, so a screen drawn up to `drawn` equals the screen at the last ground offset.
 */
const ESC = 0x1b;
const BEL = 0x07;
const CAN = 0x18;
const SUB = 0x1a;
type State = "ground" | "escape" | "intermediate" | "control" | "string" | "string-escape";

export interface GroundScanner {
  /** Looks at bytes that follow those seen before. */
  feed(bytes: Uint8Array): void;
  /** Starts over at `offset`, in ground. */
  reset(offset: bigint): void;
  /** The last offset in ground, at most the bytes fed. */
  readonly ground: bigint;
}

/** How many bytes at the end of `bytes` begin a UTF-8 character that is not complete (0–3). */
export const unfinishedUtf8 = (bytes: Uint8Array): number => {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? back : 0;
  }
  return 0;
};

const next = (state: Exclude<State, "ground">, byte: number): State => {
  if (byte === CAN || byte === SUB) return "ground";
  switch (state) {
    case "escape":
      if (byte === ESC) return "escape";
      if (byte === 0x5b) return "control";
      if (byte === 0x5d || byte === 0x50 || byte === 0x58 || byte === 0x5e || byte === 0x5f) return "string";
      if (byte >= 0x20 && byte <= 0x2f) return "intermediate";
      return byte >= 0x30 && byte <= 0x7e ? "ground" : "escape";
    case "intermediate":
      if (byte === ESC) return "escape";
      return byte >= 0x30 && byte <= 0x7e ? "ground" : "intermediate";
    case "control":
      if (byte === ESC) return "escape";
      return byte >= 0x40 && byte <= 0x7e ? "ground" : "control";
    case "string":
      if (byte === ESC) return "string-escape";
      return byte === BEL ? "ground" : "string";
    case "string-escape":
      // ESC ends a string whatever follows; ST is only its usual form.
      return byte === 0x5c ? "ground" : next("escape", byte);
  }
};

export const createGroundScanner = (from: bigint): GroundScanner => {
  let state: State = "ground";
  let offset = from;
  let ground = from;
  /** The last bytes fed, kept because a character may be split between two feeds. */
  let tail = new Uint8Array(0);
  return {
    get ground() {
      return ground;
    },
    reset(at) {
      state = "ground";
      offset = at;
      ground = at;
      tail = new Uint8Array(0);
    },
    feed(bytes) {
      let i = 0;
      while (i < bytes.length) {
        if (state === "ground") {
          const start = bytes.indexOf(ESC, i);
          if (start === -1) break;
          ground = offset + BigInt(start);
          state = "escape";
          i = start + 1;
        } else {
          state = next(state, bytes[i] ?? 0);
          i++;
          if (state === "ground") ground = offset + BigInt(i);
        }
      }
      offset += BigInt(bytes.length);
      const joined = new Uint8Array(tail.length + Math.min(3, bytes.length));
      joined.set(tail);
      joined.set(bytes.subarray(Math.max(0, bytes.length - 3)), tail.length);
      tail = joined.slice(-3);
      if (state === "ground") {
        const end = offset - BigInt(unfinishedUtf8(tail));
        if (end > ground) ground = end;
      }
    },
  };
};
