import { exitStatusOf, outputOf } from "@microterm/protocol";
import { createUtf8Aligner } from "@microterm/screen";
import { contained } from "../hub/contained.ts";
import { MAX_UNWRITTEN_BYTES } from "../hub/flow-limits.ts";
import { LogConsumer, type Source } from "../hub/log-consumer.ts";
import type { LogItem } from "../hub/output-log.ts";
import { markLine, type RecordingFile } from "./recording-file.ts";

/** Then it says so and ends. */
export const MAX_RECORDING_BYTES = 64 * 1024 * 1024;
/** Output that is gathered before it is written. */
const FLUSH_BYTES = 64 * 1024;
const FLUSH_MS = 500;

export interface RecorderOptions extends Source {
  readonly file: RecordingFile;
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

/** Writes a terminal's output to disk as asciicast v3 (docs.asciinema.org/manual/asciicast/v3). */
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
    const { file, startedAt } = this.#options;
    const mark = await file.cutToMark();
    this.#bytes = await file.size();
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
      this.#bytes = 0;
      const timestamp = Math.floor(startedAt.getTime() / 1000);
      this.#write(`${JSON.stringify({ version: 3, term: { cols, rows, type: "xterm-256color" }, timestamp })}\n`);
    }
    this.#keyframe(cols, rows, content);
    this.startAt(offset, { cols, rows });
    this.#flush();
  }

  /** Resolves when all is on disk. */
  async end(): Promise<void> {
    this.#isStopped = true;
    this.#flush();
    this.stop();
    clearTimeout(this.#timer);
    await this.#writing;
    await this.#options.file.close();
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
    const text = this.#lines + markLine({ offset, elapsedMs: this.#elapsedMs, isFull: this.#isFull });
    this.#lines = "";
    this.#write(text);
  }

  #write(text: string): void {
    const bytes = Buffer.byteLength(text);
    this.#bytes += bytes;
    this.#waitingBytes += bytes;
    this.#writing = this.#writing
      .then(() => this.#options.file.append(text))
      .catch(() => {
        // The disk is full: it ends here, as at its limit.
        this.#isFull = true;
        this.stop();
      })
      .finally(() => {
        this.#waitingBytes -= bytes;
        this.pump();
        this.#options.progressed();
      })
      .catch(this.source.broke);
  }
}
