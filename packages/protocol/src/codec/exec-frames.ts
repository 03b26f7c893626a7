/** The frames of an exec's WebSocket (docs/reference/agent-protocol.md), both ways; INPUT and RESIZE are a terminal client's. */
import type { TerminalExit } from "../environment.ts";
import { FRAME, startPieces } from "../frames.ts";
import { decodeResize, withBytes } from "./client-frames.ts";
import {
  EXIT_BYTES,
  expectLength,
  FrameError,
  jsonBytes,
  parseJson,
  readExit,
  viewOf,
  writeExit,
  writeUint32,
} from "./frame-bytes.ts";

/** Everything a server may send on an exec WebSocket. */
export type ExecServerFrame =
  | { readonly type: "started"; readonly pid: number }
  | { readonly type: "stdout" | "stderr"; readonly bytes: Uint8Array }
  | { readonly type: "exited"; readonly exit: TerminalExit }
  | { readonly type: "failed"; readonly json: unknown };

/** @throws {FrameError} for an empty message, an unknown type, a wrong length or JSON that is none. */
export function decodeExecServerFrame(message: ArrayBuffer | Uint8Array): ExecServerFrame {
  const { view, bytes } = viewOf(message);
  switch (bytes[0]) {
    case FRAME.started:
      expectLength(bytes.length, 5, "STARTED");
      return { type: "started", pid: view.getUint32(1) };
    case FRAME.stdout:
      return { type: "stdout", bytes: bytes.subarray(1) };
    case FRAME.stderr:
      return { type: "stderr", bytes: bytes.subarray(1) };
    case FRAME.exited:
      expectLength(bytes.length, 1 + EXIT_BYTES, "EXITED");
      return { type: "exited", exit: readExit(view, 1) };
    case FRAME.failed:
      return { type: "failed", json: parseJson(bytes.subarray(1), "FAILED") };
    default:
      throw new FrameError(`a frame of unknown type ${bytes[0] ?? "(empty message)"}`);
  }
}

export interface ExecServerFrameEncoder<F extends Uint8Array> {
  started(pid: number): F;
  stdout(bytes: Uint8Array): F;
  stderr(bytes: Uint8Array): F;
  exited(exit: TerminalExit): F;
  failed(failure: unknown): F;
}

/** `allocate` gives a frame's memory; it need not be cleared. */
export function createExecServerFrameEncoder<F extends Uint8Array>(
  allocate: (length: number) => F,
): ExecServerFrameEncoder<F> {
  const blank = (type: number, length: number): F => {
    const frame = allocate(length);
    frame[0] = type;
    return frame;
  };
  const bytesOf = (type: number, bytes: Uint8Array): F => {
    const frame = blank(type, 1 + bytes.length);
    frame.set(bytes, 1);
    return frame;
  };
  return {
    started(pid) {
      const frame = blank(FRAME.started, 5);
      writeUint32(frame, 1, pid);
      return frame;
    },
    stdout: (bytes) => bytesOf(FRAME.stdout, bytes),
    stderr: (bytes) => bytesOf(FRAME.stderr, bytes),
    exited(exit) {
      const frame = blank(FRAME.exited, 1 + EXIT_BYTES);
      writeExit(frame, 1, exit);
      return frame;
    },
    failed: (failure) => bytesOf(FRAME.failed, jsonBytes(failure)),
  };
}

/** What a client may send on an exec WebSocket once its START was taken. */
export type ExecClientFrame =
  | { readonly type: "input"; readonly bytes: Uint8Array }
  | { readonly type: "stdinEof" }
  | { readonly type: "signal"; readonly signal: number }
  | { readonly type: "resize"; readonly cols: number; readonly rows: number };

/**
 * The bytes of INPUT are a view of `message`.
 * @throws {FrameError} for an unknown type, START among them, a wrong length, a size or a signal that there is not.
 */
export function decodeExecClientFrame(message: Uint8Array): ExecClientFrame {
  switch (message[0]) {
    case FRAME.input:
      return { type: "input", bytes: message.subarray(1) };
    case FRAME.stdinEof:
      return { type: "stdinEof" };
    case FRAME.signal: {
      const signal = message[1] ?? 0;
      if (message.length !== 2 || signal < 1 || signal > 64) throw new FrameError("a signal outside of 1 to 64");
      return { type: "signal", signal };
    }
    case FRAME.resize:
      return { type: "resize", ...decodeResize(message) };
    default:
      throw new FrameError(`unknown frame type ${message[0]}`);
  }
}

/** `request` is an ExecRequest. In as many messages as its length needs. */
export function encodeStart(request: unknown): Uint8Array<ArrayBuffer>[] {
  return Array.from(startPieces(jsonBytes(request)), (piece) => withBytes(FRAME.start, piece));
}

/** A piece of START's JSON. @throws {FrameError} for any other frame. */
export function decodeStartPiece(message: Uint8Array): Uint8Array {
  if (message[0] !== FRAME.start) throw new FrameError("the first frame must be START");
  return message.subarray(1);
}

export function encodeStdinEof(): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(FRAME.stdinEof);
}

/** `signal`: a Linux signal number, 1..64. */
export function encodeSignal(signal: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(FRAME.signal, signal);
}
