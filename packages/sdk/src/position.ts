import { MAX_UNACKNOWLEDGED, type Ready } from "@microterm/protocol";

/** Acknowledged in steps of this many bytes: an eighth of what a server sends unacknowledged. */
const ACK_STEP = BigInt(MAX_UNACKNOWLEDGED / 8);

/**
 * Where one client stands in a terminal's output, across connections: what it has received, drawn and acknowledged.
 * It makes of whatever connections deliver one sequence in which each byte comes once.
 */
export class Position {
  #offset: bigint | null;
  #drawn = 0n;
  #acknowledged = 0n;

  constructor(from: bigint | null) {
    this.#offset = from;
  }

  /** The next byte that is wanted; null before the first READY without a `from`. */
  get offset(): bigint | null {
    return this.#offset;
  }

  /** Takes up a new connection; `unknown` when what was drawn belongs to another terminal than the one that answers. */
  begin(ready: Ready): "continued" | "unknown" {
    const isUnknown = this.#offset !== null && this.#offset > ready.end;
    const offset = this.#offset === null || isUnknown ? ready.from : this.#offset;
    this.#offset = offset;
    if (isUnknown) this.#drawn = offset;
    // The server counts what is unacknowledged from where it starts to send.
    this.#drawn = later(this.#drawn, offset);
    this.#acknowledged = this.#drawn;
    return isUnknown ? "unknown" : "continued";
  }

  /**
   * The part of `bytes` that is new, with its offset; null when there is none.
   * @throws {RangeError} when bytes in between are missing.
   */
  receive(bytes: Uint8Array, offset: bigint): { readonly bytes: Uint8Array; readonly offset: bigint } | null {
    const expected = this.#offset ?? offset;
    const end = offset + BigInt(bytes.length);
    if (offset > expected) throw new RangeError(`${offset - expected} bytes at ${expected} were left out`);
    if (end <= expected) return null;
    this.#offset = end;
    return { bytes: offset === expected ? bytes : bytes.subarray(Number(expected - offset)), offset: expected };
  }

  /** Where a gap up to `to` begins for this client, who may have drawn some of it before; null when it has all of it. */
  skip(from: bigint, to: bigint): bigint | null {
    const offset = this.#offset ?? from;
    if (to <= offset) return null;
    this.jump(to);
    return later(from, offset);
  }

  jump(offset: bigint): void {
    this.#offset = offset;
    this.#drawn = later(this.#drawn, offset);
  }

  /** All before `offset` is drawn; returns what to acknowledge, if it is time. */
  draw(offset: bigint): bigint | null {
    this.#drawn = later(this.#drawn, offset);
    if (this.#drawn - this.#acknowledged < ACK_STEP) return null;
    this.#acknowledged = this.#drawn;
    return this.#drawn;
  }
}

function later(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}
