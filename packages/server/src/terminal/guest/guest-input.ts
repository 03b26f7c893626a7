import { setTimeout as delay } from "node:timers/promises";
import type { InputEvents, InputStream } from "@microterm/core";
import {
  INPUT_HIGH_WATER_BYTES,
  INPUT_IDLE_MS,
  INPUT_RETRY_MS,
  MAX_INPUT_BYTES,
  MAX_INPUT_RETRY_MS,
} from "../hub/flow-limits.ts";

/** What became of a piece of input: true once the terminal has taken all of it, false when it never will. */
export type InputDone = (isTaken: boolean) => void;

interface Piece {
  bytes: Uint8Array;
  readonly done: InputDone;
}

export interface GuestInputOptions {
  /** A stream for input. Rejects while there is none to be had; it is asked for again. */
  readonly open: (events: InputEvents) => Promise<InputStream>;
}

/**
 * A terminal's input: each byte is kept until the guest's agent says that the terminal has taken it, so that a stream that
 * breaks loses none and repeats none.
 */
export class GuestInput {
  readonly #options: GuestInputOptions;
  #kept: Piece[] = [];
  #keptBytes = 0;
  /** Pieces of `#kept` that the present stream was given. */
  #sent = 0;
  /** By the agent's count, where the first of `#kept` begins; null: it has not said. */
  #base: bigint | null = null;
  #stream: InputStream | null = null;
  #isOpening = false;
  /** A stream is opened once though nothing is to be sent. */
  #isWanted = false;
  /** The stream that takes no more for now. */
  #full: InputStream | null = null;
  #isOver = false;
  /** Streams in a row that took nothing. */
  #failures = 0;
  #idle: NodeJS.Timeout | undefined;
  #waiting: (() => void)[] = [];
  /** Ends the wait for another try. */
  #tryNow: () => void = () => {};

  constructor(options: GuestInputOptions) {
    this.#options = options;
  }

  /** The caller should wait for {@link drained}. */
  get isFull(): boolean {
    return this.#keptBytes > INPUT_HIGH_WATER_BYTES;
  }

  /** `done` is called once, in the order of the writes, unless this is closed before. False: too much is kept, and nothing was taken. */
  write(bytes: Uint8Array, done: InputDone): boolean {
    if (this.#isOver || this.#keptBytes + bytes.length > MAX_INPUT_BYTES) return false;
    if (bytes.length === 0) {
      done(true);
      return true;
    }
    this.#kept.push({ bytes, done });
    this.#keptBytes += bytes.length;
    this.#pump();
    return true;
  }

  /** Opens a stream for what may be typed soon: to open it takes some round trips, which a flood of output makes long. */
  prepare(): void {
    if (this.#isOver || this.#stream !== null || this.#isOpening) return;
    this.#isWanted = true;
    void this.#open();
  }

  /** Resolves when there is room again, or never will be. */
  drained(): Promise<void> {
    if (!this.isFull || this.#isOver) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** A stream can be had again. */
  retry(): void {
    this.#tryNow();
  }

  /** What the terminal has not taken is of no use any more. */
  drop(): void {
    const dropped = this.#kept;
    this.#kept = [];
    this.#keptBytes = 0;
    this.#closeStream();
    for (const { done } of dropped) done(false);
    this.#release();
  }

  /** Nothing is reported any more. */
  close(): void {
    this.#isOver = true;
    this.#kept = [];
    this.#keptBytes = 0;
    this.#closeStream();
    this.#release();
    this.#tryNow();
  }

  #closeStream(): void {
    clearTimeout(this.#idle);
    const stream = this.#stream;
    this.#stream = null;
    this.#base = null;
    this.#sent = 0;
    stream?.close();
  }

  #pump(): void {
    if (this.#kept.length === 0) return;
    clearTimeout(this.#idle);
    const stream = this.#stream;
    if (stream === null) {
      if (!this.#isOpening) void this.#open();
      return;
    }
    // Before its first acknowledgement it is unknown what of an earlier stream was taken.
    if (this.#base === null || this.#full === stream) return;
    for (let next = this.#kept[this.#sent]; next !== undefined; next = this.#kept[this.#sent]) {
      this.#sent += 1;
      if (stream.write(next.bytes)) continue;
      this.#full = stream;
      void stream.drained().then(() => {
        this.#full = null;
        if (this.#stream === stream) this.#pump();
      });
      return;
    }
  }

  async #open(): Promise<void> {
    this.#isOpening = true;
    while (this.#stream === null && (this.#kept.length > 0 || this.#isWanted)) {
      const isInAdvance = this.#kept.length === 0;
      this.#isWanted = false;
      // One that is accepted and broken at once, without end, must not keep the server busy.
      if (this.#failures > 0) {
        const again = Promise.withResolvers<void>();
        this.#tryNow = again.resolve;
        const ms = Math.min(INPUT_RETRY_MS * 2 ** (this.#failures - 1), MAX_INPUT_RETRY_MS);
        await Promise.race([again.promise, delay(ms, undefined, { ref: false })]);
      }
      await this.#openOnce().catch(() => {
        // What is typed next is sent without a wait.
        if (!isInAdvance) this.#failures += 1;
      });
    }
    this.#isOpening = false;
    this.#pump();
  }

  /** Rejects unless the stream has reported what was taken before it. */
  async #openOnce(): Promise<void> {
    const first = Promise.withResolvers<bigint>();
    let stream: InputStream | null = null;
    const isCurrent = (): boolean => stream !== null && this.#stream === stream;
    first.promise.catch(() => {});
    stream = await this.#options.open({
      acknowledged: (count) => (isCurrent() ? this.#acknowledged(count) : first.resolve(count)),
      closed: (error) => {
        first.reject(error ?? new Error("the guest ended the stream of input"));
        if (isCurrent()) this.#broken();
      },
    });
    try {
      const count = await first.promise;
      if (this.#isOver) return stream.close();
      this.#stream = stream;
      this.#sent = 0;
      if (this.#base === null) this.#base = count;
      else this.#take(count);
      this.#base = count;
      if (this.#kept.length === 0) this.#closeWhenIdle();
    } catch (error) {
      stream.close();
      throw error;
    }
  }

  #broken(): void {
    this.#failures += 1;
    this.#stream = null;
    this.#sent = 0;
    // What is kept is sent again from where the terminal is by then.
    if (this.#kept.length === 0) this.#base = null;
    else this.#pump();
  }

  #acknowledged(count: bigint): void {
    this.#take(count);
    if (this.#kept.length > 0) this.#pump();
    else this.#closeWhenIdle();
  }

  #closeWhenIdle(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#closeStream(), INPUT_IDLE_MS).unref();
  }

  /** All before `count` was taken. */
  #take(count: bigint): void {
    if (this.#base === null || count <= this.#base) return;
    let left = Number(count - this.#base);
    this.#failures = 0;
    this.#base = count;
    const taken: InputDone[] = [];
    for (let head = this.#kept[0]; head !== undefined && left > 0; head = this.#kept[0]) {
      const length = Math.min(left, head.bytes.length);
      left -= length;
      this.#keptBytes -= length;
      head.bytes = head.bytes.subarray(length);
      if (head.bytes.length > 0) break;
      this.#kept.shift();
      this.#sent = Math.max(0, this.#sent - 1);
      taken.push(head.done);
    }
    for (const done of taken) done(true);
    if (!this.isFull) this.#release();
  }

  #release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
