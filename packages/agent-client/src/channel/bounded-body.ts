import type { ClientHttp2Stream } from "node:http2";
import { PlatformError } from "@microterm/protocol";

/** Bytes of answers that all calls of one session may hold: the largest answer, and room for many ordinary ones. */
const MAX_HELD = 24 * 1024 * 1024;
const FIRST_CAPACITY = 4096;

/** What the answers under way of one session hold together: a guest chooses their sizes, and its owner their number. */
export class AnswerBudget {
  #held = 0;

  take(bytes: number): boolean {
    if (this.#held + bytes > MAX_HELD) return false;
    this.#held += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#held -= bytes;
  }
}

/**
 * A body of unknown size in one buffer that grows with it. Chunks are copied: kept as they come, each would hold on to the
 * whole buffer that it was read into, and a guest that sends one byte a frame would cost a hundred times what it sends.
 */
export class BoundedBody {
  readonly #budget: AnswerBudget;
  readonly #maxBytes: number;
  #buffer: Buffer = Buffer.alloc(0);
  #size = 0;

  constructor(budget: AnswerBudget, maxBytes: number) {
    this.#budget = budget;
    this.#maxBytes = maxBytes;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#size);
  }

  /** False: the body is longer than it may be. Throws `TOO_MANY` where the session's other answers hold all there is. */
  add(chunk: Buffer): boolean {
    const size = this.#size + chunk.length;
    if (size > this.#maxBytes) return false;
    if (size > this.#buffer.length) this.#grow(size);
    chunk.copy(this.#buffer, this.#size);
    this.#size = size;
    return true;
  }

  /** Gives the room back. What `bytes` gave stays valid. Safe to repeat. */
  release(): void {
    this.#budget.release(this.#buffer.length);
    this.#buffer = Buffer.alloc(0);
    this.#size = 0;
  }

  #grow(size: number): void {
    const capacity = Math.min(this.#maxBytes, Math.max(FIRST_CAPACITY, size, 2 * this.#buffer.length));
    if (!this.#budget.take(capacity - this.#buffer.length)) {
      throw new PlatformError("TOO_MANY", "too many large answers of this guest are being read at once");
    }
    const larger = Buffer.allocUnsafeSlow(capacity);
    this.#buffer.copy(larger, 0, 0, this.#size);
    this.#buffer = larger;
  }
}

/** Reads a body to its end, and calls back with how it went: `whole`, `long`, or `broken`. */
export function readBounded(
  stream: ClientHttp2Stream,
  body: BoundedBody,
  ended: (how: "whole" | "long" | "broken", error?: Error) => void,
): void {
  stream.on("data", (chunk: Buffer) => {
    try {
      if (!body.add(chunk)) ended("long");
    } catch (error) {
      ended("broken", error as Error);
    }
  });
  stream.once("end", () => {
    // A reset stream ends its reading side too; only a clean close counts as an answer.
    if (!stream.aborted && stream.rstCode === 0) ended("whole");
  });
  stream.once("close", () => ended("broken"));
}
