/** One complete control sequence of a terminal's output (ECMA-48, and xterm's ctlseqs page). */
export interface ControlSequence {
  readonly kind: "escape" | "csi" | "osc" | "string";
  /** All of it, with introducer and terminator. */
  readonly bytes: Uint8Array;
  /** What lies between introducer and terminator, one character a byte; of a CSI with its final byte. */
  readonly body: string;
}

export interface ScannerEvents {
  /**
   * Bytes that belong to no sequence, single control characters such as BEL among them. One that stands within an escape or a CSI comes before
   * that, as terminals act upon it (DEC STD 070), and one that is broken off comes here as well, with its ESC.
   */
  text(bytes: Uint8Array): void;
  sequence(sequence: ControlSequence): void;
  /** A piece of a string that is too long to be held; its end is among the last of them. */
  overlong(bytes: Uint8Array): void;
}

export const ESC = 0x1b;
const BEL = 0x07;
/** CAN and SUB end any sequence (DEC STD 070). */
const CAN = 0x18;
const SUB = 0x1a;
const DEL = 0x7f;
/** A longer one is not held: an inline image, or hostile. */
const MAX_SEQUENCE_BYTES = 64 * 1024;

const OSC = 0x5d;
/** After an escape: DCS, SOS, OSC, PM, APC. */
export const STRING_INTRODUCERS = new Set([0x50, 0x58, OSC, 0x5e, 0x5f]);

type State = "ground" | "escape" | "csi" | "string" | "string-escape";

/** Finds control sequences in output that comes in pieces, cut anywhere. Loses and adds no byte. */
export class EscapeScanner {
  readonly #events: ScannerEvents;
  #state: State = "ground";
  #held: number[] = [];
  #isOverlong = false;
  /** Of the string that is being read. */
  #isOsc = false;

  constructor(events: ScannerEvents) {
    this.#events = events;
  }

  /** Whether a sequence has begun whose end has not come. */
  get isInside(): boolean {
    return this.#state !== "ground";
  }

  push(bytes: Uint8Array): void {
    let textFrom = 0;
    for (let at = 0; at < bytes.length; at += 1) {
      const byte = bytes[at] as number;
      if (this.#state === "ground") {
        if (byte !== ESC) continue;
        if (at > textFrom) this.#events.text(bytes.subarray(textFrom, at));
        this.#state = "escape";
        this.#held = [byte];
      } else {
        this.#step(byte);
      }
      // Only in the ground state does the next byte begin a piece of text.
      textFrom = at + 1;
    }
    if (this.#state === "ground" && textFrom < bytes.length) this.#events.text(bytes.subarray(textFrom));
  }

  /** Hands over an unfinished sequence as text. */
  flush(): void {
    this.#pass();
    this.#state = "ground";
    this.#isOverlong = false;
  }

  #pass(): void {
    if (this.#held.length === 0) return;
    const bytes = Uint8Array.from(this.#held);
    this.#held = [];
    if (this.#isOverlong) this.#events.overlong(bytes);
    else this.#events.text(bytes);
  }

  #step(byte: number): void {
    if (byte === CAN || byte === SUB) {
      this.#held.push(byte);
      this.flush();
      return;
    }
    if (byte === ESC && this.#state !== "string") {
      // A sequence that another one interrupts is dropped by terminals; it is passed on for them to do so.
      this.flush();
      this.#held = [byte];
      this.#state = "escape";
      return;
    }
    if ((byte < 0x20 || byte === DEL) && (this.#state === "escape" || this.#state === "csi")) {
      this.#events.text(Uint8Array.of(byte));
      return;
    }
    this.#held.push(byte);
    switch (this.#state) {
      case "escape":
        if (byte === 0x5b) this.#state = "csi";
        else if (STRING_INTRODUCERS.has(byte)) {
          this.#state = "string";
          this.#isOsc = byte === OSC;
        } else if (byte >= 0x30 && byte <= 0x7e) this.#end("escape", 1, 0);
        else if (byte > 0x7e) this.flush();
        break;
      case "csi":
        if (byte >= 0x40 && byte <= 0x7e) this.#end("csi", 2, 0);
        else if (byte > 0x7e) this.flush();
        break;
      case "string":
        if (byte === BEL && this.#isOsc) this.#end("osc", 2, 1);
        else if (byte === ESC) this.#state = "string-escape";
        break;
      case "string-escape":
        if (byte === 0x5c) this.#end(this.#isOsc ? "osc" : "string", 2, 2);
        // An escape that ends no string begins a sequence of its own.
        else this.#restart(byte);
    }
    if (this.#held.length > MAX_SEQUENCE_BYTES) {
      this.#isOverlong = true;
      this.#pass();
    }
  }

  #restart(byte: number): void {
    this.#held.splice(-2);
    this.flush();
    this.#held = [ESC];
    this.#state = "escape";
    this.#step(byte);
  }

  #end(kind: ControlSequence["kind"], head: number, tail: number): void {
    if (this.#isOverlong) {
      this.flush();
      return;
    }
    const bytes = Uint8Array.from(this.#held);
    this.#held = [];
    this.#state = "ground";
    this.#events.sequence({
      kind,
      bytes,
      body: Buffer.from(bytes.subarray(head, bytes.length - tail)).toString("latin1"),
    });
  }
}
