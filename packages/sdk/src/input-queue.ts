/** Input waits here while there is no connection; past this a write is refused, so that memory stays bounded. */
const INPUT_QUEUE_BYTES = 1024 * 1024;
/** A client's messages are at most 64 KiB with their type byte; smaller ones keep a paste from blocking a Ctrl-C for long. */
const CHUNK_BYTES = 16 * 1024;

/** A bounded queue of typed bytes. Pieces are accepted whole or refused whole: half a paste is worse than none. */
export class InputQueue {
  #pieces: Uint8Array[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Whether `bytes` was accepted. */
  push(bytes: Uint8Array): boolean {
    if (this.#size + bytes.length > INPUT_QUEUE_BYTES) return false;
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      // Copied: the caller may reuse its buffer before there is a connection.
      this.#pieces.push(bytes.slice(at, at + CHUNK_BYTES));
    }
    this.#size += bytes.length;
    return true;
  }

  /** The next piece of at most 16 KiB. */
  shift(): Uint8Array | undefined {
    const piece = this.#pieces.shift();
    if (piece !== undefined) this.#size -= piece.length;
    return piece;
  }
}
