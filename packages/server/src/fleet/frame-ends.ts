/** A header is 2 to 14 bytes (RFC 6455, section 5.2). */
const LONG = 126;
const LONGEST = 127;
const MASK_BYTES = 4;

/** Follows the bytes of one direction of a WebSocket, and knows where a frame ends: between two frames another may be put. */
export class FrameEnds {
  readonly #header: number[] = [];
  /** Of the frame's payload. */
  #left = 0;

  /** What came last was the end of a frame, or nothing has come. */
  get isAtEnd(): boolean {
    return this.#header.length === 0 && this.#left === 0;
  }

  /** Resolves how many bytes of `chunk` lead to the end of a frame where `isToStop`; all of them otherwise, or where it has no end. */
  pass(chunk: Uint8Array, isToStop = false): number {
    let at = 0;
    while (at < chunk.length) {
      if (isToStop && at > 0 && this.isAtEnd) return at;
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at);
        this.#left -= taken;
        at += taken;
        continue;
      }
      this.#header.push(chunk[at++] as number);
      const payload = payloadOf(this.#header);
      if (payload === null) continue;
      this.#header.length = 0;
      this.#left = payload;
    }
    return at;
  }
}

/** Null: the header goes on. */
function payloadOf(header: readonly number[]): number | null {
  const second = header[1];
  if (second === undefined) return null;
  const short = second & 0x7f;
  const lengthBytes = short === LONG ? 2 : short === LONGEST ? 8 : 0;
  if (header.length < 2 + lengthBytes + (second & 0x80 ? MASK_BYTES : 0)) return null;
  if (lengthBytes === 0) return short;
  return header.slice(2, 2 + lengthBytes).reduce((length, byte) => length * 256 + byte, 0);
}

/** One that a server sends to say why it ends the connection. */
export function closeFrame(code: number, reason: string): Buffer {
  const text = Buffer.from(reason).subarray(0, 123);
  const frame = Buffer.alloc(4 + text.length);
  frame[0] = 0x88;
  frame[1] = 2 + text.length;
  frame.writeUInt16BE(code, 2);
  text.copy(frame, 4);
  return frame;
}
