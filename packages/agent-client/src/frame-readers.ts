import type { ExecEvents, InputEvents, TerminalEvents } from "@microterm/core";
import { ExecFailure, FRAME, type TerminalExit } from "@microterm/protocol";
import { guestUnreachable } from "./channel/agent-call.ts";
import { FrameError, type FramePiece } from "./channel/frame-decoder.ts";

/**
 * Of a frame: far above what a terminal ever prints (1 GB/s for a hundred days), and far below where the 64 bits overflow in which what
 * follows from it is sent on.
 */
const MAX_OFFSET = BigInt(Number.MAX_SAFE_INTEGER);

function checked(offset: bigint): bigint {
  if (offset > MAX_OFFSET) throw new FrameError(`an offset of ${offset}`);
  return offset;
}

/** Exit kinds of EXIT and EXITED frames: u8 kind, u32 value. */
function exitOf(head: Buffer, at: number): TerminalExit {
  const kind = head[at];
  const value = head.readUInt32BE(at + 1);
  if (kind === 0 && value <= 255) return { code: value, signal: null };
  if (kind === 1 && value >= 1 && value <= 64) return { code: null, signal: value };
  throw new FrameError(`an exit of kind ${kind}, value ${value}`);
}

/** Turns an attach's frames into events, and holds the agent to contiguous offsets. */
export class TerminalReader {
  readonly #events: TerminalEvents;
  /** Where output must go on. Undefined until the first frame, when the caller asked for the oldest byte. */
  #position: bigint | undefined;
  #hasSize = false;
  #hasExited = false;

  constructor(events: TerminalEvents, from: bigint | undefined) {
    this.#events = events;
    this.#position = from;
  }

  /** Throws FrameError where the agent breaks the protocol. */
  piece(piece: FramePiece): void {
    const { type, head, body } = piece;
    if (this.#hasExited) throw new FrameError("a frame after EXIT");
    const offset = checked(head.readBigUInt64BE(0));
    if (type === FRAME.resized) {
      this.#resized(offset, head);
      return;
    }
    if (!this.#hasSize) throw new FrameError("a first frame that is not RESIZE");
    if (type === FRAME.output) {
      const at = offset + BigInt(piece.bodyOffset);
      this.#expect(at);
      this.#position = at + BigInt(body.length);
      if (body.length > 0) this.#events.output(at, body);
    } else if (type === FRAME.gap) {
      const to = checked(head.readBigUInt64BE(8));
      this.#expect(offset);
      if (to <= offset) throw new FrameError(`a gap from ${offset} to ${to}`);
      this.#position = to;
      this.#events.gap(offset, to);
    } else {
      this.#expect(offset);
      this.#hasExited = true;
      this.#events.exited(offset, exitOf(head, 8));
    }
  }

  closed(error?: Error): void {
    if (error !== undefined || this.#hasExited) this.#events.closed(this.#hasExited ? undefined : error);
    else this.#events.closed(guestUnreachable("the guest ended the terminal's stream"));
  }

  #resized(offset: bigint, head: Buffer): void {
    const cols = head.readUInt16BE(8);
    const rows = head.readUInt16BE(10);
    if (cols < 1 || cols > 1000 || rows < 1 || rows > 1000) throw new FrameError(`a size of ${cols}x${rows}`);
    // The size in force at the start may be older than the start; later ones come at their byte.
    if (this.#hasSize) this.#expect(offset);
    else this.#position ??= offset;
    this.#hasSize = true;
    this.#events.resized(this.#position ?? offset, cols, rows);
  }

  #expect(offset: bigint): void {
    if (offset !== this.#position) throw new FrameError(`offset ${offset} where ${this.#position} was due`);
  }
}

/** Turns acknowledgements into events. */
export class InputReader {
  readonly #events: InputEvents;
  #count = 0n;

  constructor(events: InputEvents) {
    this.#events = events;
  }

  piece({ head }: FramePiece): void {
    const count = head.readBigUInt64BE(0);
    if (count < this.#count) throw new FrameError(`${count} bytes of input taken, after ${this.#count}`);
    if (count > BigInt(Number.MAX_SAFE_INTEGER)) throw new FrameError(`${count} bytes of input taken`);
    this.#count = count;
    this.#events.acknowledged(count);
  }

  closed(error?: Error): void {
    this.#events.closed(error);
  }
}

/** Turns an exec's frames into events. */
export class ExecReader {
  readonly #events: ExecEvents;
  #state: "asked" | "started" | "over" = "asked";

  constructor(events: ExecEvents) {
    this.#events = events;
  }

  piece({ type, head, body }: FramePiece): void {
    if (this.#state === "over") throw new FrameError("a frame after the end");
    if (this.#state === "asked" && type !== FRAME.started && type !== FRAME.failed) {
      throw new FrameError(`frame 0x${type.toString(16)} before STARTED`);
    }
    switch (type) {
      case FRAME.started:
        if (this.#state !== "asked") throw new FrameError("STARTED twice");
        this.#state = "started";
        this.#events.started(head.readUInt32BE(0));
        break;
      case FRAME.stdout:
        if (body.length > 0) this.#events.stdout(body);
        break;
      case FRAME.stderr:
        if (body.length > 0) this.#events.stderr(body);
        break;
      case FRAME.exited:
        this.#state = "over";
        this.#events.exited(exitOf(head, 0));
        break;
      default:
        if (this.#state !== "asked") throw new FrameError("FAILED after STARTED");
        this.#state = "over";
        this.#events.failed(failureOf(body));
    }
  }

  closed(error?: Error): void {
    if (this.#state === "over") this.#events.closed();
    else this.#events.closed(error ?? guestUnreachable("the guest ended the exec's stream"));
  }
}

function failureOf(body: Buffer): ExecFailure {
  try {
    return ExecFailure.parse(JSON.parse(body.toString("utf8")));
  } catch (error) {
    throw new FrameError("an invalid FAILED frame", { cause: error });
  }
}
