import { plainText } from "@microterm/host";

/** The console's tail that is kept, bytes: as much as QEMU's own ring buffer. */
const MAX_TAIL = 65_536;

/** What a guest printed, taken from QEMU's ring buffer piece by piece: the newest 64 KiB. */
export class ConsoleTail {
  #bytes: Buffer = Buffer.alloc(0);

  add(piece: Buffer): void {
    if (piece.length === 0) return;
    const all = Buffer.concat([this.#bytes, piece]);
    this.#bytes = all.length > MAX_TAIL ? Buffer.from(all.subarray(all.length - MAX_TAIL)) : all;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** The kernel's own line about its panic, when it printed one. */
  get panic(): string | null {
    const line = /Kernel panic[^\n]*/.exec(this.#bytes.toString("latin1"));
    return line === null ? null : plainText(line[0], 200);
  }
}
