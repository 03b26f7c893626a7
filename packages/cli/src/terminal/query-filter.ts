import { type ControlSequence, ESC, EscapeScanner, STRING_INTRODUCERS } from "./escape-scanner.ts";
import { ScreenModes } from "./screen-modes.ts";
import { Utf8Controls } from "./utf8-controls.ts";

const ENQ = 0x05;
const BEL = 0x07;

/**
 * Passes a terminal's output on to the person's own terminal and learns its modes from it. The server answers programs'
 * queries, so they are taken out: a second answer would be taken for typing (docs/reference/terminal-protocol.md). So is
 * what reaches beyond the screen: the clipboard (OSC 52), which a guest could fill with a command for another window, and
 * C1 controls as UTF-8, which some terminals act upon and the scanner does not know.
 *
 * Of what is shared, all that does anything but draw is taken out: bells, titles, notifications, files, the printer, changes of the window.
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
      if (isActing || isQuery(sequence) || isClipboard(sequence)) return;
      this.modes.see(sequence);
      this.#out.push(sequence.bytes);
    },
    overlong: (bytes) => {
      if (this.#isShared) return;
      // Its first piece has the introducer.
      if (bytes[0] === ESC && bytes[1] !== undefined && STRING_INTRODUCERS.has(bytes[1]))
        this.#isDropped = CLIPBOARD.test(Buffer.from(bytes.subarray(2, 16)).toString("latin1"));
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
    // A sequence that was broken off: some terminals act upon one all the same.
    if (this.#isShared && bytes[0] === ESC) return Uint8Array.of();
    const isTaken = (byte: number): boolean => byte === ENQ || (this.#isShared && byte === BEL);
    return bytes.some(isTaken) ? bytes.filter((byte) => !isTaken(byte)) : bytes;
  }

  /** Forgets an unfinished sequence and all modes: what follows is drawn on a terminal that was reset. */
  restart(): void {
    this.#scanner.flush();
    this.#out.length = 0;
    this.#controls.restart();
    this.modes.see({ kind: "escape", bytes: Uint8Array.of(), body: "c" });
  }
}

/** As terminals read the number: with zeros before it. */
const CLIPBOARD = /^0*52(?:;|$)/;

const isClipboard = ({ kind, body }: ControlSequence): boolean => kind === "osc" && CLIPBOARD.test(body);

/** Colours and links (xterm's ctlseqs page). */
const DRAWING_OSC = /^0*(?:4|5|8|10|11|12|17|19|104|105|110|111|112|117|119)(?:;|$)/;

/** Strings are images, which some terminals read from files, and what terminals keep for themselves; `t` is for the window, `i` for the printer. */
function isDrawing({ kind, body }: ControlSequence): boolean {
  if (kind === "csi") return !/[ti]$/.test(body) && !body.includes("\x07");
  return kind === "osc" ? DRAWING_OSC.test(body) : kind === "escape";
}

function isQuery({ kind, body }: ControlSequence): boolean {
  if (kind === "csi") {
    // DA, DSR, XTVERSION, DECRQM, DECREQTPARM, reports of the window, kitty's keyboard query, sixel limits, checksums.
    return /^[>=]?\d*c$|^\??[\d;]*n$|^>\d*q$|\$p$|^[01]?x$|^(1[1-9]|2[01])(;\d+)*t$|^\?u$|^\?[\d;]*S$|\*y$/.test(body);
  }
  // Questions for colours and the clipboard.
  if (kind === "osc") return /;\?$/.test(body);
  // DECRQSS, XTGETTCAP, and kitty's question for graphics.
  return kind === "string" && (/^[$+]q/.test(body) || /^G[^;]*a=q/.test(body));
}
