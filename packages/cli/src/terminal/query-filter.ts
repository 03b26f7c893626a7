import { type ControlSequence, EscapeScanner } from "./escape-scanner.ts";
import { ScreenModes } from "./screen-modes.ts";

const ENQ = 0x05;

/**
 * Passes a terminal's output on to the person's own terminal and learns its modes from it. The server answers programs'
 * queries, so they are taken out: a second answer would be taken for typing (docs/reference/terminal-protocol.md).
 */
export class QueryFilter {
  readonly modes = new ScreenModes();
  readonly #out: Uint8Array[] = [];
  readonly #scanner = new EscapeScanner({
    text: (bytes) => this.#out.push(bytes.includes(ENQ) ? bytes.filter((byte) => byte !== ENQ) : bytes),
    sequence: (sequence) => {
      this.modes.see(sequence);
      if (!isQuery(sequence)) this.#out.push(sequence.bytes);
    },
    overlong: (bytes) => this.#out.push(bytes),
  });

  /** Whether a sequence has begun whose end has not come. */
  get isInsideSequence(): boolean {
    return this.#scanner.isInside;
  }

  /** The bytes to print. The beginning of an unfinished sequence is held until its end has been seen. */
  pass(bytes: Uint8Array): Uint8Array {
    this.#scanner.push(bytes);
    const out = this.#out.splice(0);
    return out.length === 1 ? (out[0] as Uint8Array) : Buffer.concat(out);
  }

  /** Forgets an unfinished sequence and all modes: what follows is drawn on a terminal that was reset. */
  restart(): void {
    this.#scanner.flush();
    this.#out.length = 0;
    this.modes.see({ kind: "escape", bytes: Uint8Array.of(), body: "c" });
  }
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
