/** How a frame's numbers, texts and lengths are read and written: what all frames have in common. */
import type { TerminalExit } from "../environment.ts";

/** The other side broke the protocol; the connection is not to be trusted any further. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

/** The same bytes, as numbers and as they are. */
export function viewOf(message: ArrayBuffer | Uint8Array): { readonly view: DataView; readonly bytes: Uint8Array } {
  const bytes = message instanceof Uint8Array ? message : new Uint8Array(message);
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

export function expectLength(length: number, wanted: number, frame: string): void {
  if (length !== wanted) throw new FrameError(`${frame} of ${length} bytes instead of ${wanted}`);
}

export function expectAtLeast(length: number, wanted: number, frame: string): void {
  if (length < wanted) throw new FrameError(`${frame} of ${length} bytes, at least ${wanted} needed`);
}

export function parseJson(bytes: Uint8Array, frame: string): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new FrameError(`${frame} whose JSON cannot be read`, { cause });
  }
}

export const jsonBytes = (value: unknown): Uint8Array<ArrayBuffer> => encoder.encode(JSON.stringify(value));

/** Bytes of an exit: kind u8 (0 code, 1 signal), value u32. */
export const EXIT_BYTES = 5;

export function readExit(view: DataView, at: number): TerminalExit {
  const kind = view.getUint8(at);
  const value = view.getUint32(at + 1);
  if (kind === 0) return { code: value, signal: null };
  if (kind === 1) return { code: null, signal: value };
  throw new FrameError(`an exit of unknown kind ${kind}`);
}

export function writeExit(frame: Uint8Array, at: number, exit: TerminalExit): void {
  frame[at] = exit.signal === null ? 0 : 1;
  writeUint32(frame, at + 1, exit.signal ?? exit.code ?? 0);
}

const scratch = new DataView(new ArrayBuffer(8));
const scratchBytes = new Uint8Array(scratch.buffer);
const MAX_UINT64 = 2n ** 64n - 1n;

/** Throws RangeError, as the other two do, for what does not fit. */
export function writeUint64(frame: Uint8Array, at: number, value: bigint): void {
  if (value < 0n || value > MAX_UINT64) throw new RangeError(`${value} does not fit 64 bits`);
  scratch.setBigUint64(0, value);
  frame.set(scratchBytes, at);
}

export function writeUint32(frame: Uint8Array, at: number, value: number): void {
  if (!(value >= 0 && value <= 0xff_ff_ff_ff)) throw new RangeError(`${value} does not fit 32 bits`);
  writeUint16(frame, at, value >>> 16);
  writeUint16(frame, at + 2, value & 0xff_ff);
}

export function writeUint16(frame: Uint8Array, at: number, value: number): void {
  if (!(value >= 0 && value <= 0xff_ff)) throw new RangeError(`${value} does not fit 16 bits`);
  frame[at] = value >>> 8;
  frame[at + 1] = value & 0xff;
}
