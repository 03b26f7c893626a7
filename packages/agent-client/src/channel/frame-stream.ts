import type { ClientHttp2Stream } from "node:http2";
import { guestProtocol, guestUnreachable } from "./agent-call.ts";
import { FrameDecoder, FrameError, type FramePiece, type FrameShape } from "./frame-decoder.ts";
import { encodeFrame } from "./frame-encoder.ts";
import { cancelStream } from "./guest-session.ts";

/** Input that may wait for the guest before `send` says so; ten times as much ends the stream. */
export const MAX_PENDING_INPUT = 256 * 1024;

export interface FrameStreamEvents {
  /** In order. A thrown {@link FrameError} ends the stream with `GUEST_PROTOCOL`. The piece is valid during the call. */
  piece(piece: FramePiece): void;
  /** Last of all; `error` when the stream ended otherwise than by the agent's clean end or by `close`. */
  closed(error?: Error): void;
}

/** Frames both ways over one HTTP/2 stream: the body of an `attach` or an `exec`. */
export class FrameStream {
  readonly #stream: ClientHttp2Stream;
  readonly #decoder: FrameDecoder;
  readonly #events: FrameStreamEvents;
  #isPaused = false;
  #isDelivering = false;
  /** The agent has ended its side, or the stream has closed; reported once all pieces are delivered. */
  #ending: { readonly error: Error | undefined } | undefined;
  #isDone = false;

  constructor(stream: ClientHttp2Stream, shapes: ReadonlyMap<number, FrameShape>, events: FrameStreamEvents) {
    this.#stream = stream;
    this.#decoder = new FrameDecoder(shapes);
    this.#events = events;
    stream.on("data", (chunk: Buffer) => {
      this.#decoder.push(chunk);
      this.#deliver();
    });
    stream.once("end", () => {
      if (!stream.aborted && stream.rstCode === 0) this.#end(undefined);
      stream.end();
    });
    stream.once("error", (error) => this.#end(guestUnreachable("the connection to the guest broke", error)));
    stream.once("close", () => this.#end(guestUnreachable("the guest ended the stream")));
  }

  /** False once {@link MAX_PENDING_INPUT} bytes wait: stop until `drained`. */
  send(type: number, payload: Uint8Array): boolean {
    if (this.#isDone || this.#stream.destroyed || this.#stream.writableEnded) return true;
    this.#stream.write(encodeFrame(type, payload));
    const pending = this.#stream.writableLength;
    if (pending > 10 * MAX_PENDING_INPUT) this.#fail(guestUnreachable("the guest reads no input"));
    return pending < MAX_PENDING_INPUT;
  }

  drained(): Promise<void> {
    const stream = this.#stream;
    if (stream.destroyed || stream.writableLength < MAX_PENDING_INPUT) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        stream.removeListener("drain", done);
        stream.removeListener("close", done);
        resolve();
      };
      stream.on("drain", done);
      stream.on("close", done);
    });
  }

  pause(): void {
    this.#isPaused = true;
    this.#stream.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#deliver();
    if (!this.#isPaused) this.#stream.resume();
  }

  close(): void {
    this.#finish(undefined);
    cancelStream(this.#stream);
  }

  #deliver(): void {
    // An event may pause, resume or close: the loop that runs already takes that into account.
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    try {
      while (!this.#isPaused && !this.#isDone) {
        const piece = this.#decoder.next();
        if (piece === undefined) break;
        this.#events.piece(piece);
      }
    } catch (error) {
      const isPeers = error instanceof FrameError;
      this.#fail(isPeers ? guestProtocol(`broke the frame protocol: ${error.message}`, error) : (error as Error));
    } finally {
      this.#isDelivering = false;
    }
    if (this.#isPaused || this.#isDelivering || this.#ending === undefined) return;
    const isCut = this.#ending.error === undefined && !this.#decoder.isIdle;
    this.#finish(isCut ? guestProtocol("ended a stream within a frame") : this.#ending.error);
  }

  #end(error: Error | undefined): void {
    if (this.#ending !== undefined) return;
    this.#ending = { error };
    this.#deliver();
  }

  #fail(error: Error): void {
    this.#finish(error);
    cancelStream(this.#stream);
  }

  #finish(error: Error | undefined): void {
    if (this.#isDone) return;
    this.#isDone = true;
    // What still arrives is dropped, so that the stream can close.
    this.#stream.resume();
    this.#events.closed(error);
  }
}
