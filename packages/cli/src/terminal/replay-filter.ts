import { type ControlSequence, EscapeScanner } from "./escape-scanner.ts";
import { ScreenModes } from "./screen-modes.ts";

const ENQ = 0x05;
const BEL = 0x07;

/**
 * Passes a terminal's output on to the person's own terminal and learns its modes from it. Output from before we came
 * is history: its queries were answered when they were new, so they are taken out of it, and so is all that rings,
 * notifies or touches the clipboard (docs/reference/terminal-protocol.md).
 */
export class ReplayFilter {
  readonly modes = new ScreenModes();
  readonly #out: Uint8Array[] = [];
  readonly #scanner: EscapeScanner;
  #isReplay = false;

  constructor() {
    this.#scanner = new EscapeScanner({
      text: (bytes) => {
        if (this.#isReplay) this.#out.push(bytes.filter((byte) => byte !== BEL && byte !== ENQ));
      },
      sequence: (sequence) => {
        this.modes.see(sequence);
        if (this.#isReplay && !mustNotBeRepeated(sequence)) this.#out.push(sequence.bytes);
      },
      // It could be a clipboard of megabytes: an image of the past is the smaller loss.
      overlong: () => {},
    });
  }

  /** Whether the person's terminal waits for the end of a sequence. */
  get isInsideSequence(): boolean {
    return this.#scanner.isInside;
  }

  /** The bytes to print. In a replay the beginning of an unfinished sequence is held until its end has been seen. */
  history(bytes: Uint8Array): Uint8Array {
    this.#isReplay = true;
    this.#scanner.push(bytes);
    return this.#take();
  }

  /** As {@link history}, for what is new: nothing is held back or taken out. */
  live(bytes: Uint8Array): Uint8Array {
    // The beginning of this string was not printed, so its rest must not be.
    if (this.#isReplay && this.#scanner.isOverlong) return this.history(bytes);
    if (this.#isReplay) this.#scanner.flush();
    const held = this.#take();
    this.#isReplay = false;
    this.#scanner.push(bytes);
    return held.length === 0 ? bytes : Buffer.concat([held, bytes]);
  }

  #take(): Uint8Array {
    const out = this.#out.splice(0);
    return out.length === 1 ? (out[0] as Uint8Array) : Buffer.concat(out);
  }
}

function mustNotBeRepeated({ kind, body }: ControlSequence): boolean {
  if (kind === "csi") {
    // DA, DSR, XTVERSION, DECRQM, DECREQTPARM, reports of the window, kitty's keyboard query, sixel limits, checksums.
    return /^[>=]?\d*c$|^\??[\d;]*n$|^>\d*q$|\$p$|^[01]?x$|^(1[1-9]|2[01])(;\d+)*t$|^\?u$|^\?[\d;]*S$|\*y$/.test(body);
  }
  if (kind === "osc") {
    // Questions for colours, the clipboard, notifications.
    return /;\?$/.test(body) || /^(52|9|99|777);/.test(body);
  }
  // DECRQSS, XTGETTCAP, and kitty's question for graphics.
  return kind === "string" && (/^[$+]q/.test(body) || /^G[^;]*a=q/.test(body));
}
