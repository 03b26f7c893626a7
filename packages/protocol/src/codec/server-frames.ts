/**
 * The frames of docs/reference/terminal-protocol.md that a server sends, one a WebSocket message: a type byte and a payload, numbers
 * big-endian. Decoded by hand: a schema library in the way of every output frame is felt.
 */
import { Presence } from "../accounts/presence.ts";
import type { TerminalExit } from "../environment.ts";
import { FRAME, TerminalEvent } from "../frames.ts";
import {
  EXIT_BYTES,
  expectAtLeast,
  expectLength,
  FrameError,
  jsonBytes,
  parseJson,
  readExit,
  viewOf,
  writeExit,
  writeUint16,
  writeUint32,
  writeUint64,
} from "./frame-bytes.ts";

export interface Ready {
  readonly terminal: string;
  /** Offsets of the oldest and one past the newest byte in the terminal's ring. */
  readonly start: bigint;
  readonly end: bigint;
  /** Where output begins. */
  readonly from: bigint;
  /** What a viewer types goes nowhere. */
  readonly role: string;
  /** The grant by which a shared terminal is looked at: nothing that output asks for acts there. Null: the terminal is one's own. */
  readonly grant: string | null;
  /** By the program's own account; empty and null when none gave any, or the server is older than these. */
  readonly title: string;
  readonly cwd: string | null;
  /** Bytes of this client's input that came over earlier connections; null: the server does not know it. Undefined: it acknowledges none. */
  readonly input: bigint | null | undefined;
}

export interface Keyframe {
  readonly offset: bigint;
  readonly cols: number;
  readonly rows: number;
  /** What bytes can't say, for the emulator that the server has too: a ScreenState of the screen package. */
  readonly modes: unknown;
  /** What to write to a fresh terminal of that size to get the screen. */
  readonly bytes: Uint8Array;
}

/** Everything a server may send on a terminal WebSocket. */
export type ServerFrame =
  | { readonly type: "output"; readonly offset: bigint; readonly bytes: Uint8Array }
  | { readonly type: "gap"; readonly from: bigint; readonly to: bigint }
  | ({ readonly type: "keyframe" } & Keyframe)
  | { readonly type: "resize"; readonly offset: bigint; readonly cols: number; readonly rows: number }
  | { readonly type: "exit"; readonly offset: bigint; readonly exit: TerminalExit }
  | ({ readonly type: "ready" } & Ready)
  | { readonly type: "event"; readonly offset: bigint; readonly event: TerminalEvent | null }
  | { readonly type: "notice"; readonly code: string; readonly message: string }
  | { readonly type: "inputAck"; readonly count: bigint }
  | { readonly type: "presence"; readonly presence: Presence }
  | { readonly type: "pong"; readonly nonce: number };

/** Of an OUTPUT: type and offset. */
const OUTPUT_HEADER = 9;
/** Of a KEYFRAME: type, offset, size, and the length of its JSON, where {@link JSON_LENGTH_AT} says. */
const KEYFRAME_HEADER = 17;
const JSON_LENGTH_AT = 13;
/** Of an EXIT: type and offset. */
const EXIT_HEADER = 9;

/** @throws {FrameError} for an empty message, an unknown type, a wrong length or JSON of another shape. */
export function decodeServerFrame(message: ArrayBuffer | Uint8Array): ServerFrame {
  const { view, bytes } = viewOf(message);
  const length = bytes.length;
  switch (bytes[0]) {
    case FRAME.output:
      expectAtLeast(length, OUTPUT_HEADER, "OUTPUT");
      return { type: "output", offset: view.getBigUint64(1), bytes: outputOf(bytes) };
    case FRAME.gap: {
      expectLength(length, 17, "GAP");
      const from = view.getBigUint64(1);
      const to = view.getBigUint64(9);
      if (to < from) throw new FrameError(`a GAP that ends (${to}) before it begins (${from})`);
      return { type: "gap", from, to };
    }
    case FRAME.keyframe: {
      expectAtLeast(length, KEYFRAME_HEADER, "KEYFRAME");
      const jsonEnd = KEYFRAME_HEADER + view.getUint32(JSON_LENGTH_AT);
      expectAtLeast(length, jsonEnd, "KEYFRAME");
      return {
        type: "keyframe",
        offset: view.getBigUint64(1),
        cols: view.getUint16(9),
        rows: view.getUint16(11),
        modes: parseJson(bytes.subarray(KEYFRAME_HEADER, jsonEnd), "KEYFRAME"),
        bytes: bytes.subarray(jsonEnd),
      };
    }
    case FRAME.inputAck:
      expectLength(length, 9, "INPUT_ACK");
      return { type: "inputAck", count: view.getBigUint64(1) };
    case FRAME.resized:
      expectLength(length, 13, "RESIZE");
      return { type: "resize", offset: view.getBigUint64(1), cols: view.getUint16(9), rows: view.getUint16(11) };
    case FRAME.exit:
      expectLength(length, EXIT_HEADER + EXIT_BYTES, "EXIT");
      return { type: "exit", offset: view.getBigUint64(1), exit: readExit(view, EXIT_HEADER) };
    case FRAME.ready:
      return { type: "ready", ...readReady(parseJson(bytes.subarray(1), "READY")) };
    case FRAME.event: {
      expectAtLeast(length, 9, "EVENT");
      // A kind that is not known here is a newer server's, and no fault.
      const event = TerminalEvent.safeParse(parseJson(bytes.subarray(9), "EVENT")).data ?? null;
      return { type: "event", offset: view.getBigUint64(1), event };
    }
    case FRAME.notice: {
      const json = recordOf(parseJson(bytes.subarray(1), "NOTICE"), "NOTICE");
      return { type: "notice", code: textOf(json, "code", "NOTICE"), message: textOf(json, "message", "NOTICE") };
    }
    case FRAME.presence:
      return { type: "presence", presence: readPresence(bytes.subarray(1)) };
    case FRAME.pong:
      expectLength(length, 5, "PONG");
      return { type: "pong", nonce: view.getUint32(1) };
    default:
      throw new FrameError(`a frame of unknown type ${bytes[0] ?? "(empty message)"}`);
  }
}

/** The bytes of an OUTPUT: a view, not a copy. */
export const outputOf = <F extends { subarray(from: number): F }>(frame: F): F => frame.subarray(OUTPUT_HEADER);

/** The bytes of a KEYFRAME, which draw its screen; without what is in its JSON. A view, not a copy. */
export const contentOf = <F>(keyframe: { subarray(from: number): F } & Uint8Array): F =>
  keyframe.subarray(KEYFRAME_HEADER + viewOf(keyframe).view.getUint32(JSON_LENGTH_AT));

/** Of an EXIT: as a shell tells it, 128 and the signal's number where there was one. */
export function exitStatusOf(frame: Uint8Array): number {
  const { code, signal } = readExit(viewOf(frame).view, EXIT_HEADER);
  return signal === null ? (code ?? 0) : 128 + signal;
}

export interface ServerFrameEncoder<F extends Uint8Array> {
  /** The one copy that output pays for: its header has to stand directly before it. */
  output(offset: bigint, bytes: Uint8Array): F;
  gap(from: bigint, to: bigint): F;
  resized(offset: bigint, cols: number, rows: number): F;
  exit(offset: bigint, exit: TerminalExit): F;
  ready(ready: Ready): F;
  inputAck(count: bigint): F;
  keyframe(keyframe: Keyframe): F;
  event(offset: bigint, event: TerminalEvent): F;
  notice(code: string, message: string): F;
  presence(presence: Presence): F;
  pong(nonce: number): F;
}

/** `allocate` gives a frame's memory; it need not be cleared, which a server under a flood would feel. All throw RangeError for a number that does not fit. */
export function createServerFrameEncoder<F extends Uint8Array>(allocate: (length: number) => F): ServerFrameEncoder<F> {
  const blank = (type: number, length: number): F => {
    const frame = allocate(length);
    frame[0] = type;
    return frame;
  };
  const ofJson = (type: number, value: unknown): F => {
    const json = jsonBytes(value);
    const frame = blank(type, 1 + json.length);
    frame.set(json, 1);
    return frame;
  };
  return {
    output(offset, bytes) {
      const frame = blank(FRAME.output, OUTPUT_HEADER + bytes.length);
      writeUint64(frame, 1, offset);
      frame.set(bytes, OUTPUT_HEADER);
      return frame;
    },
    gap(from, to) {
      const frame = blank(FRAME.gap, 17);
      writeUint64(frame, 1, from);
      writeUint64(frame, 9, to);
      return frame;
    },
    resized(offset, cols, rows) {
      const frame = blank(FRAME.resized, 13);
      writeUint64(frame, 1, offset);
      writeUint16(frame, 9, cols);
      writeUint16(frame, 11, rows);
      return frame;
    },
    exit(offset, exit) {
      const frame = blank(FRAME.exit, EXIT_HEADER + EXIT_BYTES);
      writeUint64(frame, 1, offset);
      writeExit(frame, EXIT_HEADER, exit);
      return frame;
    },
    ready({ terminal, start, end, from, role, grant, title, cwd, input }) {
      const offsets = { start: `${start}`, end: `${end}`, from: `${from}` };
      const received = typeof input === "bigint" ? `${input}` : input;
      return ofJson(FRAME.ready, { terminal, role, grant, title, cwd, ...offsets, input: received });
    },
    inputAck(count) {
      const frame = blank(FRAME.inputAck, 9);
      writeUint64(frame, 1, count);
      return frame;
    },
    keyframe({ offset, cols, rows, modes, bytes }) {
      const json = jsonBytes(modes);
      const frame = blank(FRAME.keyframe, KEYFRAME_HEADER + json.length + bytes.length);
      writeUint64(frame, 1, offset);
      writeUint16(frame, 9, cols);
      writeUint16(frame, 11, rows);
      writeUint32(frame, JSON_LENGTH_AT, json.length);
      frame.set(json, KEYFRAME_HEADER);
      frame.set(bytes, KEYFRAME_HEADER + json.length);
      return frame;
    },
    event(offset, event) {
      const json = jsonBytes(event);
      const frame = blank(FRAME.event, 9 + json.length);
      writeUint64(frame, 1, offset);
      frame.set(json, 9);
      return frame;
    },
    notice: (code, message) => ofJson(FRAME.notice, { code, message }),
    presence: (presence) => ofJson(FRAME.presence, presence),
    pong(nonce) {
      const frame = blank(FRAME.pong, 5);
      writeUint32(frame, 1, nonce);
      return frame;
    },
  };
}

function readReady(json: unknown): Ready {
  const ready = recordOf(json, "READY");
  return {
    terminal: textOf(ready, "terminal", "READY"),
    start: offsetOf(ready, "start"),
    end: offsetOf(ready, "end"),
    from: offsetOf(ready, "from"),
    role: textOf(ready, "role", "READY"),
    grant: typeof ready.grant === "string" ? ready.grant : null,
    title: typeof ready.title === "string" ? ready.title : "",
    cwd: typeof ready.cwd === "string" ? ready.cwd : null,
    input: typeof ready.input === "string" ? offsetOf(ready, "input") : ready.input === null ? null : undefined,
  };
}

function readPresence(json: Uint8Array): Presence {
  const parsed = Presence.safeParse(parseJson(json, "PRESENCE"));
  if (!parsed.success) throw new FrameError("a PRESENCE of another shape", { cause: parsed.error });
  return parsed.data;
}

function offsetOf(json: Record<string, unknown>, key: string): bigint {
  const value = textOf(json, key, "READY");
  // 20 digits hold every u64; the bound keeps BigInt from chewing on a hostile megabyte of digits.
  if (!/^[0-9]{1,20}$/.test(value)) throw new FrameError(`READY with ${key} = ${JSON.stringify(value.slice(0, 40))}`);
  return BigInt(value);
}

function textOf(json: Record<string, unknown>, key: string, frame: string): string {
  const value = json[key];
  if (typeof value !== "string") throw new FrameError(`${frame} without a text ${key}`);
  return value;
}

function recordOf(json: unknown, frame: string): Record<string, unknown> {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new FrameError(`${frame} without an object`);
  }
  return json as Record<string, unknown>;
}
