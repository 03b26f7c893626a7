import { isClipboard, isClipboardText, isCoding, isDrawing, isQuery } from "./acting-sequences.ts";
import { ESC, EscapeScanner, STRING_INTRODUCERS } from "./escape-scanner.ts";
import { ScreenModes } from "./screen-modes.ts";
import { Utf8Controls } from "./utf8-controls.ts";

const ENQ = 0x05;
const BEL = 0x07;

/**
 * Passes a terminal's output on to the person's own terminal and learns its modes from it. The server answers programs'
 * queries, so they are taken out: a second answer would be taken for typing (docs/reference/terminal-protocol.md). So is
 * what reaches beyond the screen: the clipboard (OSC 52), which a guest could fill with a command for another window, and
 * C1 controls as UTF-8, which some terminals act upon and the scanner does not know, and what has a terminal leave UTF-8, where single bytes are such.
 *
 * Of what is shared, all that does anything but draw is taken out: bells, titles, notifications, files, the printer, changes of the window, other
 * ways of sending keys, by which one might not be able to leave.
 */
export class QueryFilter {
  readonly modes = new ScreenModes();
  readonly #isShared: boolean;
  readonly #out: Uint8Array[] = [];
  readonly #controls = new Utf8Controls();
  #isDropped = false;
  readonly #scanner = new EscapeScanner({
    text: (bytes) => this.#out.push(this.#textOf(bytes)),
    sequence: (sequence) => {
      const isActing = this.#isShared && !isDrawing(sequence);
      if (isActing || isQuery(sequence) || isClipboard(sequence) || isCoding(sequence)) return;
      this.modes.see(sequence);
      this.#out.push(sequence.bytes);
    },
    overlong: (bytes) => {
      if (this.#isShared) return;
      // Its first piece has the introducer.
      if (bytes[0] === ESC && bytes[1] !== undefined && STRING_INTRODUCERS.has(bytes[1]))
        this.#isDropped = isClipboardText(bytes.subarray(0, 18));
      if (!this.#isDropped) this.#out.push(bytes);
    },
  });

  /** `isShared`: the terminal is another's. */
  constructor({ isShared }: { readonly isShared: boolean }) {
    this.#isShared = isShared;
  }

  /** Whether a sequence has begun whose end has not come. */
  get isInsideSequence(): boolean {
    return this.#scanner.isInside;
  }

  /** The bytes to print. The beginning of an unfinished sequence is held until its end has been seen. */
  pass(bytes: Uint8Array): Uint8Array {
    this.#scanner.push(bytes);
    const out = this.#out.splice(0);
    return this.#controls.pass(out.length === 1 ? (out[0] as Uint8Array) : Buffer.concat(out));
  }

  #textOf(bytes: Uint8Array): Uint8Array {
    if (bytes[0] === ESC) return this.#brokenOff(bytes);
    const isTaken = (byte: number): boolean => byte === ENQ || (this.#isShared && byte === BEL);
    return bytes.some(isTaken) ? bytes.filter((byte) => !isTaken(byte)) : bytes;
  }

  /** Some terminals act upon a string that is broken off, or go on with a sequence after a character of another language. */
  #brokenOff(bytes: Uint8Array): Uint8Array {
    if (this.#isShared || isClipboardText(bytes)) return Uint8Array.of();
    const isString = bytes[1] !== undefined && STRING_INTRODUCERS.has(bytes[1]);
    const last = bytes.subarray(-1);
    return !isString && (last[0] ?? 0) >= 0x80 ? last : bytes;
  }

  /** Forgets an unfinished sequence and all modes: what follows is drawn on a terminal that was reset. */
  restart(): void {
    this.#scanner.flush();
    this.#out.length = 0;
    this.#controls.restart();
    this.modes.see({ kind: "escape", bytes: Uint8Array.of(), body: "c" });
  }
}
