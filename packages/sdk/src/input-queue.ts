/** Input is kept until the terminal has taken it; past this a write is refused, so that memory stays bounded. */
const INPUT_QUEUE_BYTES = 1024 * 1024;
/** A client's messages are at most 64 KiB with their type byte; smaller ones keep a paste from blocking a Ctrl-C for long. */
const CHUNK_BYTES = 16 * 1024;

/**
 * A bounded queue of typed bytes, by their offset in all that this client has typed: kept, handed to a connection,
 * acknowledged. Pieces are accepted whole or refused whole: half a paste is worse than none.
 */
export class InputQueue {
  #pieces: Uint8Array[] = [];
  #size = 0;
  /** Pieces that the present connection was given. */
  #sent = 0;
  /** Where the first piece begins. */
  #start = 0n;

  /** Bytes that are kept. */
  get size(): number {
    return this.#size;
  }

  /** Whether `bytes` was accepted. */
  push(bytes: Uint8Array): boolean {
    if (this.#size + bytes.length > INPUT_QUEUE_BYTES) return false;
    this.#size += bytes.length;
    const last = this.#pieces.at(-1);
    if (last !== undefined && this.#sent < this.#pieces.length && last.length + bytes.length <= CHUNK_BYTES) {
      // Keys that wait are one piece.
      const both = new Uint8Array(last.length + bytes.length);
      both.set(last);
      both.set(bytes, last.length);
      this.#pieces[this.#pieces.length - 1] = both;
      return true;
    }
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      // Copied: the caller may reuse its buffer before there is a connection.
      this.#pieces.push(bytes.slice(at, at + CHUNK_BYTES));
    }
    return true;
  }

  /** The next piece to send, of at most 16 KiB. */
  next(): Uint8Array | undefined {
    const piece = this.#pieces[this.#sent];
    if (piece !== undefined) this.#sent += 1;
    return piece;
  }

  /** All before `offset` was taken, or is known to be lost. False: so much was never sent. */
  acknowledge(offset: bigint): boolean {
    while (this.#sent > 0 && this.#end(1) <= offset) this.#shift();
    return offset <= this.#end(this.#sent);
  }

  /** The fate of what was sent will not be reported: it counts as taken. */
  acknowledgeSent(): void {
    this.acknowledge(this.#end(this.#sent));
  }

  /**
   * Another connection. `received`: so much of what this client typed came over those before; null: the server does not
   * know it, and counts from 0. Answers how many bytes were sent whose fate is unknown.
   */
  restart(received: bigint | null): number {
    if (received !== null && received >= this.#start && received <= this.#end(this.#sent)) {
      while (this.#sent > 0 && this.#end(this.#sent) > received) this.#sent -= 1;
      this.#cut(received);
      return 0;
    }
    const before = this.#size;
    while (this.#sent > 0) this.#shift();
    this.#start = 0n;
    return before - this.#size;
  }

  /** Where the first `count` pieces end. */
  #end(count: number): bigint {
    return this.#pieces.slice(0, count).reduce((at, { length }) => at + BigInt(length), this.#start);
  }

  #shift(): void {
    const piece = this.#pieces.shift();
    if (piece === undefined) return;
    this.#size -= piece.length;
    this.#start += BigInt(piece.length);
    this.#sent -= 1;
  }

  /** A piece of which a part came counts as two. */
  #cut(offset: bigint): void {
    const rest = Number(offset - this.#end(this.#sent));
    const piece = this.#pieces[this.#sent];
    if (rest === 0 || piece === undefined) return;
    this.#pieces.splice(this.#sent, 1, piece.subarray(0, rest), piece.subarray(rest));
    this.#sent += 1;
  }
}
