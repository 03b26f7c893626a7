import type { TerminalExit } from "@microterm/protocol";
import { serverFrames } from "../clients/frames.ts";
import type { TerminalSize } from "../clients/terminal-sizes.ts";
import { LOG_ITEM_BYTES, LOG_RECENT_BYTES, MAX_LOG_BYTES } from "./flow-limits.ts";

/** One step of a terminal's output. Its frame is made once and sent to every client as it is. */
export interface LogItem {
  readonly kind: "output" | "gap" | "resized" | "exit";
  readonly offset: bigint;
  /** Behind its last byte; `offset` where it has none. */
  readonly end: bigint;
  readonly frame: Buffer;
  /** In force before it. */
  readonly size: TerminalSize;
  readonly newSize: TerminalSize | null;
  /** Of all items before it. */
  readonly costBefore: number;
}

/**
 * What a terminal has printed lately, for all who look at it. Items are numbered for ever; only the latest are there.
 */
export class OutputLog {
  /** The first `#released` of them are released, and are cut off when they are half of all: to cut off one moves all that follow. */
  #items: (LogItem | undefined)[] = [];
  #released = 0;
  #first = 0;
  #cost = 0;
  #end: bigint;
  #size: TerminalSize;

  constructor(from: bigint, size: TerminalSize) {
    this.#end = from;
    this.#size = size;
  }

  /** The number of the next item. */
  get next(): number {
    return this.#first + this.#items.length - this.#released;
  }

  get first(): number {
    return this.#first;
  }

  /** From here on every byte is there. */
  get start(): bigint {
    return this.#items[this.#released]?.offset ?? this.#end;
  }

  get end(): bigint {
    return this.#end;
  }

  get size(): TerminalSize {
    return this.#size;
  }

  at(number: number): LogItem | undefined {
    return number < this.#first ? undefined : this.#items[this.#released + number - this.#first];
  }

  /** Bytes of memory from item `number` on. */
  costSince(number: number): number {
    return this.#cost - (this.at(Math.max(number, this.#first))?.costBefore ?? this.#cost);
  }

  /** The first item that has, or follows, the byte at `offset`, which is at most `end`; null when that byte is gone. */
  find(offset: bigint): number | null {
    if (offset < this.start) return null;
    let low = this.#released;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const item = this.#items[middle] as LogItem;
      if (item.end > offset || item.offset >= offset) high = middle;
      else low = middle + 1;
    }
    return this.#first + low - this.#released;
  }

  output(offset: bigint, bytes: Uint8Array): void {
    this.#push("output", { offset, end: offset + BigInt(bytes.length), frame: serverFrames.output(offset, bytes) });
  }

  gap(from: bigint, to: bigint): void {
    this.#push("gap", { offset: from, end: to, frame: serverFrames.gap(from, to) });
  }

  resized(offset: bigint, size: TerminalSize): void {
    if (size.cols === this.#size.cols && size.rows === this.#size.rows) return;
    this.#push("resized", { offset, end: offset, frame: serverFrames.resized(offset, size.cols, size.rows) }, size);
    this.#size = size;
  }

  exit(offset: bigint, exit: TerminalExit): void {
    this.#push("exit", { offset, end: offset, frame: serverFrames.exit(offset, exit) });
  }

  /** Releases what is older than `needed`, but for the latest `recent` bytes. */
  trim(needed: number, recent = LOG_RECENT_BYTES): void {
    let count = 0;
    while (this.#first + count < this.next) {
      const left = this.costSince(this.#first + count + 1);
      if (left < recent || (this.#first + count >= needed && left < MAX_LOG_BYTES)) break;
      count++;
    }
    if (count === 0) return;
    this.#items.fill(undefined, this.#released, this.#released + count);
    this.#released += count;
    this.#first += count;
    if (this.#released * 2 < this.#items.length) return;
    this.#items.splice(0, this.#released);
    this.#released = 0;
  }

  #push(
    kind: LogItem["kind"],
    item: Pick<LogItem, "offset" | "end" | "frame">,
    newSize: TerminalSize | null = null,
  ): void {
    this.#items.push({ kind, ...item, size: this.#size, newSize, costBefore: this.#cost });
    this.#cost += item.frame.length + LOG_ITEM_BYTES;
    this.#end = item.end;
  }
}
