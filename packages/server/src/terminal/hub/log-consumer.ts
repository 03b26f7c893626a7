import type { GuestAgent, TerminalStream } from "@microterm/core";
import type { TerminalId } from "@microterm/protocol";
import { outputOf } from "@microterm/protocol";
import { serverFrames } from "../clients/frames.ts";
import type { TerminalSize } from "../clients/terminal-sizes.ts";
import { containedAll } from "./contained.ts";
import type { LogItem, OutputLog } from "./output-log.ts";

export interface Source {
  readonly log: OutputLog;
  readonly terminal: TerminalId;
  readonly agent: () => Promise<GuestAgent>;
  /** Something was thrown where nothing else would catch it. */
  broke(error: unknown): void;
}

/**
 * Takes a terminal's output in order, at its own pace: each byte from `position` on once. One that is behind the log's beginning is helped
 * by a stream of its own to the guest until it meets the log.
 */
export abstract class LogConsumer {
  protected readonly source: Source;
  /** The next byte to take. */
  protected position = 0n;
  #next: number | null = null;
  #size: TerminalSize | null = null;
  #helper: { stream: TerminalStream | null; isPaused: boolean; isClosed: boolean } | null = null;
  #isPumping = false;

  constructor(source: Source) {
    this.source = source;
  }

  /** Takes nothing more for now; {@link pump} is to be called when that has changed. */
  protected abstract get isBlocked(): boolean;
  protected abstract take(item: LogItem): void;
  /** The bytes at `position` can't be had any more. */
  protected abstract lost(): void;

  /** The number of the log's item that is needed next; null when it needs none. */
  get needs(): number | null {
    return this.#next;
  }

  /** Bytes of the log that wait for it. */
  get behind(): number {
    return this.#next === null ? 0 : this.source.log.costSince(this.#next);
  }

  /** Goes on at this byte. `size` is what the consumer knows the terminal to have there. */
  protected startAt(position: bigint, size: TerminalSize | null): void {
    this.stop();
    this.position = position;
    this.#size = size;
    const { log } = this.source;
    // A byte that is still to come is waited for.
    const next = position > log.end ? log.next : log.find(position);
    if (next === null) {
      this.#help().catch(this.source.broke);
      return;
    }
    this.#join(next);
  }

  protected stop(): void {
    this.#next = null;
    const helper = this.#helper;
    this.#helper = null;
    if (helper !== null) {
      helper.isClosed = true;
      helper.stream?.close();
    }
  }

  pump(): void {
    if (this.#helper !== null) this.#regulateHelper();
    if (this.#next === null || this.#isPumping) return;
    this.#isPumping = true;
    try {
      const { log } = this.source;
      while (this.#next !== null && !this.isBlocked) {
        if (this.#next < log.first) {
          this.#next = null;
          this.lost();
          return;
        }
        const item = log.at(this.#next);
        if (item === undefined) return;
        this.#next++;
        this.#pass(item);
      }
    } finally {
      this.#isPumping = false;
    }
  }

  #join(next: number): void {
    this.#next = next;
    const { log } = this.source;
    this.#resize(log.at(next)?.size ?? log.size);
    this.pump();
  }

  #resize(size: TerminalSize): void {
    if (this.#size?.cols === size.cols && this.#size.rows === size.rows) return;
    const { position } = this;
    const frame = serverFrames.resized(position, size.cols, size.rows);
    this.#size = size;
    this.take({ kind: "resized", offset: position, end: position, frame, size, newSize: size, costBefore: 0 });
  }

  /** What of an item is new. */
  #pass(item: LogItem): void {
    if (item.kind === "resized") {
      if (item.newSize !== null) this.#resize(item.newSize);
      return;
    }
    if (item.kind === "exit") {
      this.take(item);
      return;
    }
    if (item.end <= this.position) return;
    if (item.kind === "output" && item.offset < this.position) {
      const bytes = outputOf(item.frame).subarray(Number(this.position - item.offset));
      const { position } = this;
      this.position = item.end;
      this.take({ ...item, offset: position, frame: serverFrames.output(position, bytes) });
      return;
    }
    this.position = item.end;
    this.take(item);
  }

  async #help(): Promise<void> {
    const helper = { stream: null as TerminalStream | null, isPaused: false, isClosed: false };
    this.#helper = helper;
    const { log, terminal, agent } = this.source;
    const fail = (): void => {
      if (helper.isClosed) return;
      this.stop();
      this.lost();
    };
    const meet = (): boolean => {
      const next = this.position > log.end ? null : log.find(this.position);
      if (next === null || helper.isClosed) return false;
      this.stop();
      this.#join(next);
      return true;
    };
    const own = (item: Pick<LogItem, "kind" | "offset" | "end" | "frame">): void => {
      if (helper.isClosed || meet()) return;
      this.#pass({ ...item, size: log.size, newSize: null, costBefore: 0 });
      if (!meet()) this.#regulateHelper();
    };
    try {
      const stream = await (await agent()).attach(terminal, {
        from: this.position,
        events: containedAll(this.source.broke, {
          output: (offset: bigint, bytes: Uint8Array) =>
            own({
              kind: "output",
              offset,
              end: offset + BigInt(bytes.length),
              frame: serverFrames.output(offset, bytes),
            }),
          gap: fail,
          resized: (_: bigint, cols: number, rows: number) => {
            if (!helper.isClosed && !meet()) this.#resize({ cols, rows });
          },
          // The log has it too.
          exited: () => void (meet() || fail()),
          closed: fail,
        }),
      });
      helper.stream = stream;
      if (helper.isClosed) stream.close();
      else this.#regulateHelper();
    } catch {
      fail();
    }
  }

  #regulateHelper(): void {
    const helper = this.#helper;
    if (helper?.stream == null || helper.isPaused === this.isBlocked) return;
    helper.isPaused = this.isBlocked;
    if (helper.isPaused) helper.stream.pause();
    else helper.stream.resume();
  }
}
