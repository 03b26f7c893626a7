import { Appearance, FRAME, MAX_FRAME_PAYLOAD, type TerminalExit, type TerminalNews } from "@microterm/protocol";
import type { Screen } from "@microterm/screen";

/** Message layouts of docs/reference/terminal-protocol.md: a type byte and a payload, numbers big-endian. */

/** The longest message a client may send: type, and a payload. */
export const MAX_CLIENT_MESSAGE = 1 + MAX_FRAME_PAYLOAD;

export type ClientFrame =
  | { readonly type: "input" | "reply"; readonly bytes: Uint8Array }
  | { readonly type: "appearance"; readonly appearance: Appearance }
  | { readonly type: "ack"; readonly offset: bigint }
  | { readonly type: "resize"; readonly cols: number; readonly rows: number }
  | { readonly type: "ping"; readonly nonce: number };

/** A client broke the protocol: its connection is closed with 1002 and this message. */
export class ClientFrameError extends Error {
  override readonly name = "ClientFrameError";
}

/** Throws {@link ClientFrameError}. The bytes of INPUT and REPLY are a view of `message`. */
export function parseClientFrame(message: Buffer): ClientFrame {
  switch (message[0]) {
    case FRAME.input:
      return { type: "input", bytes: message.subarray(1) };
    case FRAME.reply:
      return { type: "reply", bytes: message.subarray(1) };
    case FRAME.appearance:
      return { type: "appearance", appearance: parseAppearance(message.subarray(1)) };
    case FRAME.ack:
      expectLength(message, 9, "ACK");
      return { type: "ack", offset: message.readBigUInt64BE(1) };
    case FRAME.resize:
      return { type: "resize", ...parseSize(message) };
    case FRAME.ping:
      expectLength(message, 5, "PING");
      return { type: "ping", nonce: message.readUInt32BE(1) };
    default:
      throw new ClientFrameError(message.length === 0 ? "an empty message" : `unknown frame type ${message[0]}`);
  }
}

function parseAppearance(json: Buffer): Appearance {
  try {
    return Appearance.parse(JSON.parse(json.toString("utf8")));
  } catch {
    throw new ClientFrameError("an APPEARANCE of another shape");
  }
}

/** Of a RESIZE message. Throws {@link ClientFrameError}. */
export function parseSize(message: Buffer): { readonly cols: number; readonly rows: number } {
  expectLength(message, 5, "RESIZE");
  const cols = message.readUInt16BE(1);
  const rows = message.readUInt16BE(3);
  if (cols < 1 || cols > 1000 || rows < 1 || rows > 1000) throw new ClientFrameError("a size outside of 1 to 1000");
  return { cols, rows };
}

function expectLength(message: Buffer, length: number, name: string): void {
  if (message.length !== length) throw new ClientFrameError(`${name} of ${message.length} bytes instead of ${length}`);
}

/** Of an OUTPUT: type and offset. */
const OUTPUT_HEADER = 9;

/** The one copy that output pays for: its header has to stand directly before it. */
export function encodeOutput(offset: bigint, bytes: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(OUTPUT_HEADER + bytes.length);
  frame[0] = FRAME.output;
  frame.writeBigUInt64BE(offset, 1);
  frame.set(bytes, OUTPUT_HEADER);
  return frame;
}

/** The bytes of an OUTPUT. */
export const outputOf = (frame: Buffer): Buffer => frame.subarray(OUTPUT_HEADER);

export function encodeGap(from: bigint, to: bigint): Buffer {
  const frame = Buffer.allocUnsafe(17);
  frame[0] = FRAME.gap;
  frame.writeBigUInt64BE(from, 1);
  frame.writeBigUInt64BE(to, 9);
  return frame;
}

export function encodeResized(offset: bigint, cols: number, rows: number): Buffer {
  const frame = Buffer.allocUnsafe(13);
  frame[0] = FRAME.resized;
  frame.writeBigUInt64BE(offset, 1);
  frame.writeUInt16BE(cols, 9);
  frame.writeUInt16BE(rows, 11);
  return frame;
}

export function encodeExit(offset: bigint, exit: TerminalExit): Buffer {
  const frame = Buffer.allocUnsafe(14);
  frame[0] = FRAME.exit;
  frame.writeBigUInt64BE(offset, 1);
  encodeExitStatus(frame, 9, exit);
  return frame;
}

/** Of an EXIT: as a shell tells it, 128 and the signal's number where there was one. */
export function exitStatusOf(frame: Buffer): number {
  const value = frame.readUInt32BE(10);
  return frame[9] === 1 ? 128 + value : value;
}

/** kind u8 (0 code, 1 signal), value u32. */
export function encodeExitStatus(frame: Buffer, at: number, exit: TerminalExit): void {
  frame[at] = exit.signal === null ? 0 : 1;
  frame.writeUInt32BE(exit.signal ?? exit.code ?? 0, at + 1);
}

export interface Ready {
  readonly terminal: string;
  readonly start: bigint;
  readonly end: bigint;
  readonly from: bigint;
  readonly role: Role;
  readonly title: string;
  readonly cwd: string | null;
  /** Bytes of this client's input that came before; null: the client is new here. */
  readonly input: bigint | null;
}

/** A viewer's input and sizes are refused. */
export type Role = "owner" | "viewer";

export function encodeReady({ start, end, from, input, ...rest }: Ready): Buffer {
  const offsets = { start: `${start}`, end: `${end}`, from: `${from}`, input: input === null ? null : `${input}` };
  return encodeJson(FRAME.ready, { ...rest, ...offsets });
}

export function encodeInputAck(count: bigint): Buffer {
  const frame = Buffer.allocUnsafe(9);
  frame[0] = FRAME.inputAck;
  frame.writeBigUInt64BE(count, 1);
  return frame;
}

export function encodeKeyframe(offset: bigint, { cols, rows, content, state }: Screen): Buffer {
  const json = Buffer.from(JSON.stringify(state));
  const frame = Buffer.allocUnsafe(17 + json.length + content.length);
  frame[0] = FRAME.keyframe;
  frame.writeBigUInt64BE(offset, 1);
  frame.writeUInt16BE(cols, 9);
  frame.writeUInt16BE(rows, 11);
  frame.writeUInt32BE(json.length, 13);
  frame.set(json, 17);
  frame.set(content, 17 + json.length);
  return frame;
}

/** The bytes of a KEYFRAME, which draw its screen; without what is in its JSON. */
export const contentOf = (keyframe: Buffer): Buffer => keyframe.subarray(17 + keyframe.readUInt32BE(13));

export function encodeNews(offset: bigint, news: TerminalNews): Buffer {
  const json = Buffer.from(JSON.stringify(news));
  const frame = Buffer.allocUnsafe(9 + json.length);
  frame[0] = FRAME.event;
  frame.writeBigUInt64BE(offset, 1);
  frame.set(json, 9);
  return frame;
}

export function encodeNotice(code: string, message: string): Buffer {
  return encodeJson(FRAME.notice, { code, message });
}

export function encodePong(nonce: number): Buffer {
  const frame = Buffer.allocUnsafe(5);
  frame[0] = FRAME.pong;
  frame.writeUInt32BE(nonce, 1);
  return frame;
}

export function encodeJson(type: number, value: unknown): Buffer {
  return Buffer.concat([Buffer.of(type), Buffer.from(JSON.stringify(value))]);
}
