import { type Appearance, FRAME, startPieces, TerminalNews } from "@microterm/protocol";

/**
 * The frames of docs/reference/terminal-protocol.md (and the exec's, agent-protocol.md), one a WebSocket message: a type
 * byte and a payload, numbers big-endian. Decoded by hand: a schema library in the way of every output frame is felt.
 */

export interface Exit {
  /** Exit status 0..255, or null when a signal ended the program. */
  readonly code: number | null;
  readonly signal: number | null;
}

export interface Ready {
  readonly terminal: string;
  /** Offsets of the oldest and one past the newest byte in the terminal's ring. */
  readonly start: bigint;
  readonly end: bigint;
  /** Where output begins. */
  readonly from: bigint;
  /** What a viewer types goes nowhere. */
  readonly role: string;
  /** By the program's own account; empty and null when none gave any, or the server is older than these. */
  readonly title: string;
  readonly cwd: string | null;
  /** Bytes of this client's input that came over earlier connections; null: the server does not know it. Undefined: it acknowledges none. */
  readonly input: bigint | null | undefined;
}

/** Everything a server may send on a terminal WebSocket. */
export type TerminalFrame =
  | { readonly type: "output"; readonly offset: bigint; readonly bytes: Uint8Array }
  | { readonly type: "gap"; readonly from: bigint; readonly to: bigint }
  | ({ readonly type: "keyframe" } & Keyframe)
  | { readonly type: "resize"; readonly offset: bigint; readonly cols: number; readonly rows: number }
  | { readonly type: "exit"; readonly offset: bigint; readonly exit: Exit }
  | ({ readonly type: "ready" } & Ready)
  | { readonly type: "event"; readonly offset: bigint; readonly event: TerminalNews | null }
  | { readonly type: "notice"; readonly code: string; readonly message: string }
  | { readonly type: "inputAck"; readonly count: bigint }
  | { readonly type: "pong"; readonly nonce: number };

export interface Keyframe {
  readonly offset: bigint;
  readonly cols: number;
  readonly rows: number;
  /** What bytes can't say, for the emulator that the server has too: a ScreenState of the screen package. */
  readonly modes: unknown;
  /** What to write to a fresh terminal of that size to get the screen. */
  readonly bytes: Uint8Array;
}

/** Everything a server may send on an exec WebSocket. */
export type ExecFrame =
  | { readonly type: "started"; readonly pid: number }
  | { readonly type: "stdout" | "stderr"; readonly bytes: Uint8Array }
  | { readonly type: "exited"; readonly exit: Exit }
  | { readonly type: "failed"; readonly json: unknown };

/** The other side broke the protocol; the connection is not to be trusted any further. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

/** @throws {FrameError} for an empty message, an unknown type, a wrong length or JSON of another shape. */
export function decodeTerminalFrame(message: ArrayBuffer | Uint8Array): TerminalFrame {
  const { view, bytes } = look(message);
  const length = bytes.length;
  switch (bytes[0]) {
    case FRAME.output:
      atLeast(length, 9, "OUTPUT");
      return { type: "output", offset: view.getBigUint64(1), bytes: bytes.subarray(9) };
    case FRAME.gap: {
      exactly(length, 17, "GAP");
      const from = view.getBigUint64(1);
      const to = view.getBigUint64(9);
      if (to < from) throw new FrameError(`a GAP that ends (${to}) before it begins (${from})`);
      return { type: "gap", from, to };
    }
    case FRAME.keyframe: {
      atLeast(length, 17, "KEYFRAME");
      const size = view.getUint32(13);
      atLeast(length, 17 + size, "KEYFRAME");
      return {
        type: "keyframe",
        offset: view.getBigUint64(1),
        cols: view.getUint16(9),
        rows: view.getUint16(11),
        modes: parseJson(bytes.subarray(17, 17 + size), "KEYFRAME"),
        bytes: bytes.subarray(17 + size),
      };
    }
    case FRAME.inputAck:
      exactly(length, 9, "INPUT_ACK");
      return { type: "inputAck", count: view.getBigUint64(1) };
    case FRAME.resized:
      exactly(length, 13, "RESIZE");
      return { type: "resize", offset: view.getBigUint64(1), cols: view.getUint16(9), rows: view.getUint16(11) };
    case FRAME.exit:
      exactly(length, 14, "EXIT");
      return { type: "exit", offset: view.getBigUint64(1), exit: readExit(view, 9) };
    case FRAME.ready:
      return readReady(parseJson(bytes.subarray(1), "READY"));
    case FRAME.event: {
      atLeast(length, 9, "EVENT");
      // A kind that is not known here is a newer server's, and no fault.
      const event = TerminalNews.safeParse(parseJson(bytes.subarray(9), "EVENT")).data ?? null;
      return { type: "event", offset: view.getBigUint64(1), event };
    }
    case FRAME.notice: {
      const json = asRecord(parseJson(bytes.subarray(1), "NOTICE"), "NOTICE");
      return { type: "notice", code: text(json, "code", "NOTICE"), message: text(json, "message", "NOTICE") };
    }
    case FRAME.pong:
      exactly(length, 5, "PONG");
      return { type: "pong", nonce: view.getUint32(1) };
    default:
      throw new FrameError(`a frame of unknown type ${bytes[0] ?? "(empty message)"}`);
  }
}

/** @throws {FrameError} as {@link decodeTerminalFrame}. */
export function decodeExecFrame(message: ArrayBuffer | Uint8Array): ExecFrame {
  const { view, bytes } = look(message);
  switch (bytes[0]) {
    case FRAME.started:
      exactly(bytes.length, 5, "STARTED");
      return { type: "started", pid: view.getUint32(1) };
    case FRAME.stdout:
      return { type: "stdout", bytes: bytes.subarray(1) };
    case FRAME.stderr:
      return { type: "stderr", bytes: bytes.subarray(1) };
    case FRAME.exited:
      exactly(bytes.length, 6, "EXITED");
      return { type: "exited", exit: readExit(view, 1) };
    case FRAME.failed:
      return { type: "failed", json: parseJson(bytes.subarray(1), "FAILED") };
    default:
      throw new FrameError(`a frame of unknown type ${bytes[0] ?? "(empty message)"}`);
  }
}

export function encodeInput(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return withBytes(FRAME.input, bytes);
}

export function encodeAppearance(appearance: Appearance): Uint8Array<ArrayBuffer> {
  return withBytes(FRAME.appearance, encoder.encode(JSON.stringify(appearance)));
}

export function encodeReply(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return withBytes(FRAME.reply, bytes);
}

function withBytes(type: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(1 + bytes.length);
  message[0] = type;
  message.set(bytes, 1);
  return message;
}

export function encodeAck(offset: bigint): Uint8Array<ArrayBuffer> {
  const { message, view } = blank(FRAME.ack, 8);
  view.setBigUint64(1, offset);
  return message;
}

/** `cols` and `rows` are brought into 1..1000, what the protocol allows. */
export function encodeResize(cols: number, rows: number): Uint8Array<ArrayBuffer> {
  const { message, view } = blank(FRAME.resize, 4);
  view.setUint16(1, dimension(cols));
  view.setUint16(3, dimension(rows));
  return message;
}

export function encodePing(nonce: number): Uint8Array<ArrayBuffer> {
  const { message, view } = blank(FRAME.ping, 4);
  view.setUint32(1, nonce);
  return message;
}

/** `request` is an ExecRequest of the protocol package. */
/** In as many messages as its length needs. */
export function encodeStart(request: unknown): Uint8Array<ArrayBuffer>[] {
  return Array.from(startPieces(encoder.encode(JSON.stringify(request))), (piece) => {
    const message = new Uint8Array(1 + piece.length);
    message[0] = FRAME.start;
    message.set(piece, 1);
    return message;
  });
}

export function encodeStdinEof(): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(FRAME.stdinEof);
}

/** `signal`: a Linux signal number, 1..64. */
export function encodeSignal(signal: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(FRAME.signal, signal);
}

function look(message: ArrayBuffer | Uint8Array): { view: DataView; bytes: Uint8Array } {
  const bytes = message instanceof Uint8Array ? message : new Uint8Array(message);
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

function blank(type: number, size: number): { message: Uint8Array<ArrayBuffer>; view: DataView } {
  const message = new Uint8Array(1 + size);
  message[0] = type;
  return { message, view: new DataView(message.buffer) };
}

function dimension(n: number): number {
  return Math.min(1000, Math.max(1, Math.trunc(n) || 1));
}

function readExit(view: DataView, at: number): Exit {
  const kind = view.getUint8(at);
  const value = view.getUint32(at + 1);
  if (kind === 0) return { code: value, signal: null };
  if (kind === 1) return { code: null, signal: value };
  throw new FrameError(`an exit of unknown kind ${kind}`);
}

function readReady(json: unknown): TerminalFrame {
  const ready = asRecord(json, "READY");
  return {
    type: "ready",
    terminal: text(ready, "terminal", "READY"),
    start: offsetOf(ready, "start"),
    end: offsetOf(ready, "end"),
    from: offsetOf(ready, "from"),
    role: text(ready, "role", "READY"),
    title: typeof ready.title === "string" ? ready.title : "",
    cwd: typeof ready.cwd === "string" ? ready.cwd : null,
    input: typeof ready.input === "string" ? offsetOf(ready, "input") : ready.input === null ? null : undefined,
  };
}

function offsetOf(json: Record<string, unknown>, key: string): bigint {
  const value = text(json, key, "READY");
  // 20 digits hold every u64; the bound keeps BigInt from chewing on a hostile megabyte of digits.
  if (!/^[0-9]{1,20}$/.test(value)) throw new FrameError(`READY with ${key} = ${JSON.stringify(value.slice(0, 40))}`);
  return BigInt(value);
}

function text(json: Record<string, unknown>, key: string, frame: string): string {
  const value = json[key];
  if (typeof value !== "string") throw new FrameError(`${frame} without a text ${key}`);
  return value;
}

function asRecord(json: unknown, frame: string): Record<string, unknown> {
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new FrameError(`${frame} without an object`);
  return json as Record<string, unknown>;
}

function parseJson(bytes: Uint8Array, frame: string): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new FrameError(`${frame} whose JSON cannot be read`, { cause });
  }
}

function exactly(length: number, wanted: number, frame: string): void {
  if (length !== wanted) throw new FrameError(`${frame} of ${length} bytes instead of ${wanted}`);
}

function atLeast(length: number, wanted: number, frame: string): void {
  if (length < wanted) throw new FrameError(`${frame} of ${length} bytes, at least ${wanted} needed`);
}
