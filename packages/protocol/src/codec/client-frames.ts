/** The frames of docs/reference/terminal-protocol.md that a client sends, one a WebSocket message: a type byte and a payload. */
import { Appearance, FRAME, MAX_FRAME_PAYLOAD } from "../frames.ts";
import {
  expectLength,
  FrameError,
  jsonBytes,
  parseJson,
  viewOf,
  writeUint16,
  writeUint32,
  writeUint64,
} from "./frame-bytes.ts";

/** The longest message that a client may send: type, and a payload. */
export const MAX_CLIENT_MESSAGE = 1 + MAX_FRAME_PAYLOAD;

/** Columns and rows that a client may ask for, at most. */
const MAX_DIMENSION = 1000;

/** Everything a client may send on a terminal WebSocket. */
export type ClientFrame =
  | { readonly type: "input" | "reply"; readonly bytes: Uint8Array }
  | { readonly type: "appearance"; readonly appearance: Appearance }
  | { readonly type: "ack"; readonly offset: bigint }
  | { readonly type: "resize"; readonly cols: number; readonly rows: number }
  | { readonly type: "ping"; readonly nonce: number }
  /** One who looks on asks to type; false: not any more, or lays the keyboard down. */
  | { readonly type: "keyboard"; readonly isWanted: boolean };

/**
 * The bytes of INPUT and REPLY are a view of `message`.
 * @throws {FrameError} for an empty message, an unknown type, a wrong length, a size or a JSON outside of the protocol.
 */
export function decodeClientFrame(message: Uint8Array): ClientFrame {
  switch (message[0]) {
    case FRAME.input:
      return { type: "input", bytes: message.subarray(1) };
    case FRAME.reply:
      return { type: "reply", bytes: message.subarray(1) };
    case FRAME.appearance:
      return { type: "appearance", appearance: decodeAppearance(message.subarray(1)) };
    case FRAME.ack:
      expectLength(message.length, 9, "ACK");
      return { type: "ack", offset: viewOf(message).view.getBigUint64(1) };
    case FRAME.resize:
      return { type: "resize", ...decodeResize(message) };
    case FRAME.ping:
      expectLength(message.length, 5, "PING");
      return { type: "ping", nonce: viewOf(message).view.getUint32(1) };
    case FRAME.keyboard:
      expectLength(message.length, 2, "KEYBOARD");
      if ((message[1] ?? 0) > 1) throw new FrameError("a KEYBOARD that is neither 0 nor 1");
      return { type: "keyboard", isWanted: message[1] === 1 };
    default:
      throw new FrameError(message.length === 0 ? "an empty message" : `unknown frame type ${message[0]}`);
  }
}

function decodeAppearance(json: Uint8Array): Appearance {
  try {
    return Appearance.parse(parseJson(json, "APPEARANCE"));
  } catch (cause) {
    throw new FrameError("an APPEARANCE of another shape", { cause });
  }
}

/** Of a RESIZE message. @throws {FrameError} */
export function decodeResize(message: Uint8Array): { readonly cols: number; readonly rows: number } {
  expectLength(message.length, 5, "RESIZE");
  const { view } = viewOf(message);
  const [cols, rows] = [view.getUint16(1), view.getUint16(3)];
  if (cols < 1 || cols > MAX_DIMENSION || rows < 1 || rows > MAX_DIMENSION) {
    throw new FrameError(`a size outside of 1 to ${MAX_DIMENSION}`);
  }
  return { cols, rows };
}

export function encodeInput(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return withBytes(FRAME.input, bytes);
}

export function encodeReply(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return withBytes(FRAME.reply, bytes);
}

export function encodeAppearance(appearance: Appearance): Uint8Array<ArrayBuffer> {
  return withBytes(FRAME.appearance, jsonBytes(appearance));
}

export function withBytes(type: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(1 + bytes.length);
  message[0] = type;
  message.set(bytes, 1);
  return message;
}

export function encodeAck(offset: bigint): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(9);
  message[0] = FRAME.ack;
  writeUint64(message, 1, offset);
  return message;
}

/** `cols` and `rows` are brought into 1..1000, what the protocol allows. */
export function encodeResize(cols: number, rows: number): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(5);
  message[0] = FRAME.resize;
  writeUint16(message, 1, dimension(cols));
  writeUint16(message, 3, dimension(rows));
  return message;
}

export function encodeKeyboard(isWanted: boolean): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(FRAME.keyboard, isWanted ? 1 : 0);
}

export function encodePing(nonce: number): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(5);
  message[0] = FRAME.ping;
  writeUint32(message, 1, nonce);
  return message;
}

function dimension(n: number): number {
  return Math.min(MAX_DIMENSION, Math.max(1, Math.trunc(n) || 1));
}
