import { z } from "zod";

/** Frame types of the terminal WebSocket and the guest channel: docs/reference/{terminal,agent}-protocol.md. */
export const FRAME = {
  output: 0x01,
  gap: 0x02,
  keyframe: 0x03,
  resized: 0x04,
  exit: 0x05,
  ready: 0x06,
  notice: 0x07,
  pong: 0x08,
  event: 0x09,
  inputAck: 0x0a,
  presence: 0x0b,
  input: 0x41,
  ack: 0x42,
  resize: 0x43,
  ping: 0x44,
  reply: 0x45,
  appearance: 0x46,
  keyboard: 0x47,
  start: 0x61,
  stdinEof: 0x62,
  signal: 0x63,
  started: 0x71,
  stdout: 0x72,
  stderr: 0x73,
  exited: 0x74,
  failed: 0x75,
  nameQuery: 0x81,
  nameAnswer: 0x82,
} as const;

export const TERMINAL_SUBPROTOCOL = "microterm.terminal.v1";
export const EXEC_SUBPROTOCOL = "microterm.exec.v1";
export const EVENTS_SUBPROTOCOL = "microterm.events.v1";

/** A client is sent at most this many bytes beyond its last ACK. xterm.js drops data past 50 MB unparsed; this keeps far below. */
export const MAX_UNACKNOWLEDGED = 512 * 1024;
/** The largest payload of one frame, bytes; only a KEYFRAME's is larger, up to 8 MiB. */
export const MAX_FRAME_PAYLOAD = 65_536;
/** Of all START frames of an exec together: what execve(2) takes, in JSON whose every character is escaped, has room in it. */
export const MAX_START_BYTES = 16 * 1024 * 1024;

/** START's payload in frames: one that is full is continued by the next, so that a last one may be empty. */
export function* startPieces(json: Uint8Array): Generator<Uint8Array> {
  let piece: Uint8Array;
  let at = 0;
  do {
    piece = json.subarray(at, at + MAX_FRAME_PAYLOAD);
    at += piece.length;
    yield piece;
  } while (piece.length === MAX_FRAME_PAYLOAD);
}

const Rgb = z.string().regex(/^#[0-9a-f]{6}$/i, "must be #rrggbb");

/** The payload of APPEARANCE: the colours with which a client draws. */
export const Appearance = z.strictObject({
  foreground: Rgb,
  background: Rgb,
  cursor: Rgb,
  /** ANSI colours 0 to 15; xterm's where left out. */
  palette: z.array(Rgb).length(16).optional(),
});
export type Appearance = z.infer<typeof Appearance>;

/** The payload of EVENT, behind its offset. */
export const TerminalEvent = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("title"), title: z.string().max(256) }),
  z.strictObject({ kind: z.literal("bell") }),
  z.strictObject({ kind: z.literal("cwd"), path: z.string().max(4096) }),
  z.strictObject({
    kind: z.literal("prompt"),
    /** OSC 133: a prompt begins, a command is typed, its output begins, it has ended. */
    mark: z.enum(["A", "B", "C", "D"]),
    exit: z.number().int().optional(),
  }),
]);
export type TerminalEvent = z.infer<typeof TerminalEvent>;
