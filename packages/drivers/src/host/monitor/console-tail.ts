import { plainText } from "@microterm/protocol";

/** The console's tail that is kept, bytes: as much as either VMM's own ring buffer. */
const MAX_TAIL = 65_536;
/** As printk(9) begins its lines: with the time since the boot. */
const KERNEL_LINE = /^\[ *\d+\.\d+\] /;
const PANIC_LINE = /^\[ *\d+\.\d+\] (Kernel panic.*)/;

/** What a guest printed: the newest 64 KiB. */
export class ConsoleTail {
  #bytes: Buffer = Buffer.alloc(0);

  /** More of it, from where the last piece ended. */
  add(piece: Buffer): void {
    if (piece.length === 0) return;
    const all = Buffer.concat([this.#bytes, piece]);
    this.#bytes = all.length > MAX_TAIL ? Buffer.from(all.subarray(all.length - MAX_TAIL)) : all;
  }

  /** All of it. */
  set(bytes: Buffer): void {
    this.#bytes = Buffer.alloc(0);
    this.add(bytes);
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /**
   * The kernel's own line about its panic, when that is the last that it said: a kernel that has died prints its trace,
   * line by line behind a time, and nothing else is printed any more.
   */
  get panic(): string | null {
    let panic: string | null = null;
    for (const line of this.#bytes.toString("latin1").split(/\r*\n/).reverse()) {
      if (line !== "" && !KERNEL_LINE.test(line)) break;
      panic = PANIC_LINE.exec(line)?.[1] ?? panic;
    }
    return panic === null ? null : plainText(panic, { max: 200 });
  }
}
