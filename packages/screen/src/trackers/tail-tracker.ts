/**
 * Keeps the bytes of an unfinished escape sequence. They have no effect on the screen yet, and another parser that is to continue this
 * stream has to be given them.
 */
import { concat } from "../utf8-aligner.ts";
import { coreOf, isAtGround } from "../xterm-internals.ts";

/**
 * Of a longer sequence the rest is left out. What is left out can only be the middle of a string: xterm.js reads no more
 * than 32 parameters, and of strings only titles, links, working directories and colours are kept, which are cut shorter.
 */
const MAX_TAIL = 64 * 1024;
const ESC = 0x1b;
const C1 = 0xc2;
/** DCS, SOS, CSI, OSC, PM and APC as C1 controls (ECMA-48 5.3), behind 0xc2 in UTF-8. */
const INTRODUCERS: ReadonlySet<number> = new Set([0x90, 0x98, 0x9b, 0x9d, 0x9e, 0x9f]);
/** ESCAPE to CSI_IGNORE, of xterm.js's states: there a control character is run at once, and the sequence goes on behind it. */
const RUNS_CONTROLS: ReadonlySet<number> = new Set([1, 2, 3, 4, 5, 6]);
const isKept = (byte: number): boolean => byte >= 0x20 || byte === ESC;
const NONE = new Uint8Array(0);

/** Where the last sequence of `bytes` begins; -1 when none does. Either introducer begins one in every state of the parser. */
const lastIntroducer = (bytes: Uint8Array): number => {
  const last = bytes.lastIndexOf(ESC);
  for (let at = bytes.lastIndexOf(C1); at > last; at = bytes.lastIndexOf(C1, at - 1)) {
    if (INTRODUCERS.has(bytes[at + 1] ?? 0)) return at;
    if (at === 0) break;
  }
  return last;
};

export interface TailTracker {
  /** These bytes, cut between characters, have been parsed just now. */
  parsed(bytes: Uint8Array): void;
  readonly tail: Uint8Array;
  reset(): void;
}

export const trackTail = (terminal: object): TailTracker => {
  let pieces: Uint8Array[] = [];
  let length = 0;
  const add = (bytes: Uint8Array): void => {
    const room = MAX_TAIL - length;
    if (room <= 0) return;
    const piece = bytes.slice(0, room);
    pieces.push(piece);
    length += piece.length;
    if (pieces.length > 64) pieces = [pieces.reduce(concat)];
  };
  const reset = (): void => {
    pieces = [];
    length = 0;
  };
  return {
    get tail() {
      return pieces.reduce(concat, NONE);
    },
    parsed(bytes) {
      if (isAtGround(terminal)) {
        if (length > 0) reset();
        return;
      }
      const begin = lastIntroducer(bytes);
      if (begin >= 0) reset();
      const piece = begin > 0 ? bytes.subarray(begin) : bytes;
      const isRun = RUNS_CONTROLS.has(coreOf(terminal)._inputHandler._parser.currentState);
      add(isRun ? piece.filter(isKept) : piece);
    },
    reset,
  };
};
