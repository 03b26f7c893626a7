import { setTimeout as delay } from "node:timers/promises";
import type { RecordingMark } from "@microterm/core";
import { exitStatusOf, outputOf, PlatformError } from "@microterm/protocol";
import { createUtf8Aligner } from "@microterm/screen";
import { contained } from "../hub/contained.ts";
import { MAX_UNWRITTEN_BYTES } from "../hub/flow-limits.ts";
import { LogConsumer, type Source } from "../hub/log-consumer.ts";
import type { LogItem } from "../hub/output-log.ts";
import { markLine } from "./recording-file.ts";
import type { StoredRecording } from "./recording-store.ts";

/** Then it says so and ends. */
export const MAX_RECORDING_BYTES = 64 * 1024 * 1024;
/** Output that is gathered before it is written. */
const FLUSH_BYTES = 64 * 1024;
const FLUSH_MS = 500;
/** Between two attempts to write while the database is away. */
const RETRY_MS = 500;

export interface RecorderOptions extends Source {
  readonly stored: StoredRecording;
  readonly startedAt: Date;
  /** The screen as it is, to begin with. */
  readonly keyframe: () => Promise<{
    readonly offset: bigint;
    readonly cols: number;
    readonly rows: number;
    readonly content: Uint8Array;
  }>;
  /** It wrote something, or ended. */
  progressed(): void;
}

/** Records a terminal's output as asciicast v3 (docs.asciinema.org/manual/asciicast/v3). */
export class Recorder extends LogConsumer {
  readonly #options: RecorderOptions;
  readonly #decoder = new TextDecoder();
  readonly #aligner = createUtf8Aligner();
  #elapsedMs = 0;
  #lines = "";
  #bytes = 0;
  #writing: Promise<void> = Promise.resolve();
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #isFull = false;
  #isStopped = false;
  /** What was written last has to be tried again. */
  #isAway = false;
  /** Output is not waited for with, as what waits to be written has no room for it. */
  #isSkipping = false;

  constructor(options: RecorderOptions) {
    super(options);
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  /**
   * Begins with the screen as it is, behind what is there. Or goes on with the very next byte: `isContinuing`, after a
   * server's end, but not after it was off, when nothing was to be recorded.
   */
  async begin(isContinuing: boolean): Promise<void> {
    const { stored, startedAt } = this.#options;
    const { mark, bytes } = await stored.cutToMark();
    this.#bytes = bytes;
    if (this.#isStopped) return;
    this.#elapsedMs = mark?.elapsedMs ?? 0;
    if (mark?.isFull === true) {
      this.#isFull = true;
      return;
    }
    if (isContinuing && mark !== null && mark.offset <= this.source.log.end) {
      this.startAt(mark.offset, null);
      return;
    }
    const { offset, cols, rows, content } = await this.#options.keyframe();
    if (this.#isStopped) return;
    if (mark === null) {
      const timestamp = Math.floor(startedAt.getTime() / 1000);
      this.#lines = `${JSON.stringify({ version: 3, term: { cols, rows, type: "xterm-256color" }, timestamp })}\n`;
    }
    this.#keyframe(cols, rows, content);
    this.startAt(offset, { cols, rows });
    this.#flush();
  }

  /** Resolves when all is written that can be. */
  async end(): Promise<void> {
    this.#isStopped = true;
    this.#flush();
    this.stop();
    clearTimeout(this.#timer);
    await this.#writing;
    await this.#options.stored.close();
  }

  protected override get isBlocked(): boolean {
    return this.#waitingBytes > MAX_UNWRITTEN_BYTES;
  }

  protected override take(item: LogItem): void {
    if (item.kind === "output") {
      const text = this.#decoder.decode(this.#aligner.push(outputOf(item.frame)));
      if (text !== "") this.#event("o", text);
    } else if (item.kind === "gap") {
      this.#aligner.reset();
      this.#event("m", `${item.end - item.offset} bytes of output are missing`);
    } else if (item.kind === "exit") {
      this.#event("x", `${exitStatusOf(item.frame)}`);
      this.#flush();
    } else if (item.newSize !== null) this.#event("r", `${item.newSize.cols}x${item.newSize.rows}`);
    if (this.#bytes + this.#lines.length > MAX_RECORDING_BYTES) this.#fill();
    else if (this.#lines.length > FLUSH_BYTES) this.#flush();
    else
      this.#timer ??= setTimeout(
        contained(this.source.broke, () => this.#flush()),
        FLUSH_MS,
      );
  }

  protected override lost(): void {
    this.stop();
    if (this.#isStopped) return;
    this.#event("m", "output is missing here");
    this.#options
      .keyframe()
      .then(
        ({ offset, cols, rows, content }) => {
          if (this.#isStopped || this.#isFull) return;
          this.#keyframe(cols, rows, content);
          this.startAt(offset, { cols, rows });
        },
        () => undefined,
      )
      .catch(this.source.broke);
  }

  /** A screen that replaces what was drawn. */
  #keyframe(cols: number, rows: number, content: Uint8Array): void {
    this.#aligner.reset();
    this.#event("r", `${cols}x${rows}`);
    this.#event("o", `\x18\x1bc${this.#decoder.decode(this.#aligner.push(content))}`);
  }

  #event(code: "o" | "r" | "x" | "m", data: string): void {
    const elapsedMs = Math.max(this.#elapsedMs, Date.now() - this.#options.startedAt.getTime());
    const interval = (elapsedMs - this.#elapsedMs) / 1000;
    this.#elapsedMs = elapsedMs;
    this.#lines += `${JSON.stringify([interval, code, data])}\n`;
  }

  #fill(): void {
    this.#isFull = true;
    this.#event("m", "the recording is full");
    this.#flush();
    this.stop();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#lines === "") return;
    const offset = this.position - BigInt(this.#aligner.held.length);
    const mark = { offset, elapsedMs: this.#elapsedMs, isFull: this.#isFull };
    const text = this.#lines + markLine(mark);
    this.#lines = "";
    this.#write(text, mark);
  }

  #write(text: string, mark: RecordingMark): void {
    const bytes = Buffer.byteLength(text);
    this.#bytes += bytes;
    this.#waitingBytes += bytes;
    this.#skipIfAway();
    this.#writing = this.#writing
      .then(() => this.#append(text, mark))
      .catch(() => {
        // The disk is full, or the recording was taken away: it ends here, as at its limit.
        this.#isFull = true;
        this.stop();
      })
      .finally(() => {
        this.#waitingBytes -= bytes;
        this.#stopSkipping();
        this.pump();
        this.#options.progressed();
      })
      .catch(this.source.broke);
  }

  /** While the database is away it is tried again; what has to end now is not waited for with. */
  async #append(text: string, mark: RecordingMark): Promise<void> {
    for (;;) {
      try {
        await this.#options.stored.append(text, mark);
        this.#isAway = false;
        return;
      } catch (error) {
        const mayCome = error instanceof PlatformError && error.code === "DATABASE_UNAVAILABLE";
        if (!mayCome || this.#isStopped) throw error;
        this.#isAway = true;
        this.#skipIfAway();
        await delay(RETRY_MS, undefined, { ref: false });
      }
    }
  }

  /** The terminal goes on without it: what is printed from now on is missing. */
  #skipIfAway(): void {
    if (!this.#isAway || !this.isBlocked || this.#isSkipping) return;
    this.#isSkipping = true;
    this.stop();
    this.#options.progressed();
  }

  #stopSkipping(): void {
    if (!this.#isSkipping || this.#waitingBytes > 0) return;
    this.#isSkipping = false;
    if (!this.#isFull) this.lost();
  }
}
