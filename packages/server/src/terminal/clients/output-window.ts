/**
 * How far a client is behind: bytes sent and not acknowledged. Offsets that fell into a gap were never sent, so they
 * do not count. All numbers are absolute offsets of the terminal's output.
 */
export class OutputWindow {
  #sent: bigint;
  #acknowledged: bigint;
  /** Gaps above the last acknowledgement, in order. */
  #gaps: { readonly from: bigint; readonly to: bigint }[] = [];

  constructor(from: bigint) {
    this.#sent = from;
    this.#acknowledged = from;
  }

  /** Where the next byte to be sent stands. */
  get position(): bigint {
    return this.#sent;
  }

  get unacknowledged(): number {
    let bytes = this.#sent - this.#acknowledged;
    for (const { from, to } of this.#gaps) bytes -= to - later(from, this.#acknowledged);
    return Number(bytes);
  }

  /** How many gaps the client has not acknowledged. */
  get gaps(): number {
    return this.#gaps.length;
  }

  sent(bytes: number): void {
    this.#sent += BigInt(bytes);
  }

  skipped(to: bigint): void {
    this.#gaps.push({ from: this.#sent, to });
    this.#sent = to;
  }

  /** False when the client acknowledges what it was not sent. An older offset than before changes nothing. */
  acknowledge(offset: bigint): boolean {
    if (offset > this.#sent) return false;
    if (offset <= this.#acknowledged) return true;
    this.#acknowledged = offset;
    if (this.#gaps.length > 0) this.#gaps = this.#gaps.filter(({ to }) => to > offset);
    return true;
  }
}

/** The larger of two offsets: Math.max takes no bigint. */
export function later(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}
