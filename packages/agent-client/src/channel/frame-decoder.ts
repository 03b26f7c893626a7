import { MAX_FRAME_PAYLOAD } from "@microterm/protocol";

/** Bytes of a frame before its payload: type u8, payload length u32 big-endian (docs/reference/agent-protocol.md, Frames). */
export const FRAME_HEADER = 5;

/** The peer broke the frame format. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

/** What a frame type's payload looks like, bytes. */
export interface FrameShape {
  /** Fixed part at the payload's start, gathered before anything is handed on. */
  readonly head: number;
  /** The shortest and longest payload, head included. */
  readonly min: number;
  readonly max: number;
  /** The part after the head is handed on as it comes, in pieces; otherwise the whole payload is gathered first. */
  readonly streamed: boolean;
}

/** One piece of a frame. Reused by the next call of `next`: take what is needed before. */
export interface FramePiece {
  type: number;
  /** The fixed part. Valid with every piece of the frame. */
  head: Buffer;
  /** What follows the head: a piece of it when streamed. A view of the received chunk, never written again. */
  body: Buffer;
  /** Bytes of this frame's body that came before `body`. */
  bodyOffset: number;
}

const EMPTY = Buffer.alloc(0);
const FIXED = (size: number): FrameShape => ({ head: size, min: size, max: size, streamed: false });
const STREAMED = (head: number): FrameShape => ({ head, min: head, max: MAX_FRAME_PAYLOAD, streamed: true });

/** The frames an agent may send in an attach. */
export const ATTACH_FRAMES: ReadonlyMap<number, FrameShape> = new Map([
  [0x01, STREAMED(8)],
  [0x02, FIXED(16)],
  [0x04, FIXED(12)],
  [0x05, FIXED(13)],
]);

/** The frame an agent may send on a stream of input. */
export const INPUT_FRAMES: ReadonlyMap<number, FrameShape> = new Map([[0x0a, FIXED(8)]]);

/** The frame an agent may send on its stream of names: an id, how it was asked, and a DNS message of a header at least. */
export const NAME_FRAMES: ReadonlyMap<number, FrameShape> = new Map([
  [0x81, { head: 5, min: 5 + 12, max: 5 + 1232, streamed: false }],
]);

/** The frames an agent may send in an exec. A failure's JSON is short: nobody needs 64 KiB of error text. */
export const EXEC_FRAMES: ReadonlyMap<number, FrameShape> = new Map([
  [0x71, FIXED(4)],
  [0x72, STREAMED(0)],
  [0x73, STREAMED(0)],
  [0x74, FIXED(5)],
  [0x75, { head: 0, min: 2, max: 16_384, streamed: false }],
]);

/**
 * Decodes frames from chunks that end anywhere. It is pulled (`push` a chunk, then `next` until undefined), so that a
 * reader can stop between two frames of one chunk. Bytes of streamed frames are views of the chunk: nothing is copied
 * but headers and small payloads that cross a chunk's border.
 */
export class FrameDecoder {
  readonly #shapes: ReadonlyMap<number, FrameShape>;
  readonly #piece: FramePiece = { type: 0, head: EMPTY, body: EMPTY, bodyOffset: 0 };
  /** Chunks not yet decoded, oldest first; `#at` is the position in the first. */
  #chunks: Buffer[] = [];
  #at = 0;
  #available = 0;
  /** The frame under way, once its header and head have been read. */
  #shape: FrameShape | undefined;
  #bodyLength = 0;
  #bodySeen = 0;

  constructor(shapes: ReadonlyMap<number, FrameShape>) {
    this.#shapes = shapes;
  }

  /** True at a frame's border with nothing left over: the only place where a stream may end. */
  get isIdle(): boolean {
    return this.#shape === undefined && this.#available === 0;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#available += chunk.length;
  }

  /** The next piece, or undefined when more bytes are needed. Throws {@link FrameError}. */
  next(): FramePiece | undefined {
    if (this.#shape === undefined && !this.#begin()) return undefined;
    const shape = this.#shape as FrameShape;
    const piece = this.#piece;
    const left = this.#bodyLength - this.#bodySeen;
    if (left > 0 && this.#available === 0) return undefined;
    piece.bodyOffset = this.#bodySeen;
    piece.body = left === 0 ? EMPTY : shape.streamed ? this.#takeSome(left) : this.#take(left);
    this.#bodySeen += piece.body.length;
    if (this.#bodySeen === this.#bodyLength) this.#shape = undefined;
    return piece;
  }

  /** Reads a frame's header and head, when both are there. */
  #begin(): boolean {
    if (this.#available < FRAME_HEADER) return false;
    const header = this.#peek(FRAME_HEADER);
    const type = header[0] as number;
    const length = header.readUInt32BE(1);
    const shape = this.#shapes.get(type);
    if (shape === undefined) throw new FrameError(`unknown frame type 0x${type.toString(16).padStart(2, "0")}`);
    if (length < shape.min || length > shape.max) {
      throw new FrameError(`frame 0x${type.toString(16).padStart(2, "0")} with a payload of ${length} bytes`);
    }
    const gathered = shape.streamed ? shape.head : length;
    if (this.#available < FRAME_HEADER + gathered) return false;
    this.#take(FRAME_HEADER);
    this.#piece.type = type;
    this.#piece.head = shape.head === 0 ? EMPTY : this.#take(shape.head);
    this.#shape = shape;
    this.#bodyLength = length - shape.head;
    this.#bodySeen = 0;
    return true;
  }

  /** A copy only when the bytes cross a chunk's border. */
  #peek(size: number): Buffer {
    const first = this.#chunks[0] as Buffer;
    if (first.length - this.#at >= size) return first.subarray(this.#at, this.#at + size);
    const parts = [first.subarray(this.#at)];
    for (let index = 1, have = parts[0]?.length ?? 0; have < size; index += 1) {
      const part = (this.#chunks[index] as Buffer).subarray(0, size - have);
      parts.push(part);
      have += part.length;
    }
    return Buffer.concat(parts);
  }

  #take(size: number): Buffer {
    const bytes = this.#peek(size);
    this.#skip(size);
    return bytes;
  }

  /** What the first chunk holds, at most `limit`. */
  #takeSome(limit: number): Buffer {
    const first = this.#chunks[0] as Buffer;
    const bytes = first.subarray(this.#at, Math.min(this.#at + limit, first.length));
    this.#skip(bytes.length);
    return bytes;
  }

  #skip(size: number): void {
    this.#available -= size;
    this.#at += size;
    for (let first = this.#chunks[0]; first !== undefined && this.#at >= first.length; first = this.#chunks[0]) {
      this.#at -= first.length;
      this.#chunks.shift();
    }
  }
}
