import type { Appearance, TerminalEvent } from "@microterm/protocol";
import { outputOf } from "@microterm/protocol";
import type { TerminalSize } from "../clients/terminal-sizes.ts";
import { LogConsumer, type Source } from "../hub/log-consumer.ts";
import type { LogItem } from "../hub/output-log.ts";
import type { Captured, Model, ModelHost } from "./model-host.ts";

/** Given to the worker and not parsed: more waits in the log, and holds the guest back in the end. */
const MAX_UNPARSED = 1024 * 1024;
/** The worker may be hanging when a model is to be opened, and is replaced then. */
const OPEN_MS = 30_000;

export interface ModelFeedOptions extends Source {
  readonly host: ModelHost;
  readonly path: string;
  readonly scrollback: number;
  readonly createdUnixMs: number;
  readonly ring: { readonly start: bigint; readonly end: bigint };
  news(offset: bigint, news: readonly TerminalEvent[]): void;
  reply(text: string): void;
  /** Some room was made. */
  moved(): void;
  /** The screen could not be continued: it restarts in the middle. */
  restarted(): void;
  /** From now on it is empty. */
  emptied(): void;
}

/** Feeds a terminal's output to its screen model, and to the next one when the worker has died. */
export class ModelFeed extends LogConsumer {
  readonly #options: ModelFeedOptions;
  #model: Model;
  #isOpen = false;
  /** What comes before it is not drawn: the last worker died of it. */
  #skipTo: bigint | null = null;
  #isClosed = false;
  /** The first item that a screen which is being taken lacks. */
  #taking: number | null = null;
  #waiting: (() => void)[] = [];
  #appearance: Appearance | null = null;
  title = "";
  cwd: string | null = null;

  private constructor(options: ModelFeedOptions) {
    super(options);
    this.#options = options;
    this.#model = this.#openModel(options.ring.start, options.ring.end);
  }

  /** Where the model wants output from, is reported before any of it is read. Rejects when no worker opens it. */
  static open(
    options: Omit<ModelFeedOptions, "log">,
    begin: (from: bigint, size: TerminalSize | null) => ModelFeedOptions["log"],
  ): Promise<ModelFeed> {
    return new Promise((resolve, reject) => {
      // The log begins where the model does, so it is made in between.
      const late = { ...options, log: undefined as never } as ModelFeedOptions & { log: ModelFeedOptions["log"] };
      const feed = new ModelFeed(late);
      const timer = setTimeout(() => {
        feed.close(true).catch(options.broke);
        reject(new Error("the terminal's screen could not be opened in time"));
      }, OPEN_MS).unref();
      feed.#began = (from, size) => {
        clearTimeout(timer);
        (late as { log: ModelFeedOptions["log"] }).log = begin(from, size);
        resolve(feed);
      };
    });
  }

  #began: ((from: bigint, size: TerminalSize | null) => void) | null = null;

  setAppearance(appearance: Appearance): void {
    this.#appearance = appearance;
    this.#model.setAppearance(appearance);
  }

  /** The screen with all output up to `offset` at least. Rejects when the terminal has gone before that. */
  async capture(offset: bigint): Promise<Captured & { readonly item: number }> {
    while (!this.#isClosed) {
      if (this.#isOpen && this.position >= offset && this.needs !== null) {
        const item = this.needs;
        this.#taking ??= item;
        const taken = await this.#model.capture().catch(() => null);
        this.#taking = null;
        if (taken !== null) return { ...taken, item };
        // Lost, so it is not open, or closed: the next round waits, or ends.
      } else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    throw new Error("the terminal is gone");
  }

  /** The first item that is still of use: for the model, or for a client that continues after the screen that is being taken. */
  get keeps(): number | null {
    const { needs } = this;
    return needs === null || this.#taking === null ? (this.#taking ?? needs) : Math.min(needs, this.#taking);
  }

  /** Resolves when nothing is written to its path any more. */
  async close(isKept: boolean): Promise<void> {
    this.#isClosed = true;
    this.stop();
    const closed = this.#model.close(isKept);
    this.#wake();
    await closed;
  }

  /** Its output was too much for every worker: the screen is empty, and stays so. */
  get isEmpty(): boolean {
    return this.#model.isEmpty;
  }

  protected override get isBlocked(): boolean {
    return !this.#isOpen || this.#model.unparsed > MAX_UNPARSED;
  }

  protected override take(item: LogItem): void {
    if (item.kind === "gap" || (item.kind === "output" && this.#model.isEmpty)) this.#model.gap(item.end);
    else if (item.kind === "output") this.#model.output(item.end, outputOf(item.frame));
    else if (item.newSize !== null) this.#model.resized(item.newSize.cols, item.newSize.rows);
    if (this.#waiting.length > 0) this.#wake();
  }

  protected override lost(): void {
    // Neither log nor guest has what the kept screen needs next.
    const { log } = this.source;
    this.#options.restarted();
    this.#model.gap(log.start);
    this.startAt(log.start, null);
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #openModel(start: bigint, end: bigint): Model {
    const { host, path, createdUnixMs } = this.#options;
    const model = host.open({
      path,
      createdUnixMs,
      start,
      end,
      cols: 80,
      rows: 24,
      scrollback: this.#options.scrollback,
      liveFrom: end,
      opened: ({ from, size, isFresh, title, cwd }) => {
        this.title = title;
        this.cwd = cwd;
        this.#began?.(from, size);
        this.#began = null;
        this.#isOpen = true;
        const skipTo = this.#skipTo;
        this.#skipTo = null;
        if (this.isEmpty) this.#options.emptied();
        else if (isFresh || skipTo !== null) this.#options.restarted();
        if (skipTo !== null && skipTo > from) {
          this.#model.gap(skipTo);
          this.startAt(skipTo, size);
        } else this.startAt(from, size);
        this.#wake();
      },
      parsed: () => {
        this.pump();
        this.#options.moved();
      },
      news: (offset, news) => {
        for (const one of news) {
          if (one.kind === "title") this.title = one.title;
          else if (one.kind === "cwd") this.cwd = one.path;
        }
        this.#options.news(offset, news);
      },
      reply: (text) => this.#options.reply(text),
      broke: (error) => this.#options.broke(error),
      lost: (isCulprit) => this.#reopen(isCulprit),
    });
    if (this.#appearance !== null) model.setAppearance(this.#appearance);
    return model;
  }

  /** In a new worker, from what was kept. Bytes before now were answered and reported. */
  #reopen(isCulprit: boolean): void {
    if (this.#isClosed) return;
    this.#isOpen = false;
    const { log } = this.source;
    // One that was lost while it was opened has taken nothing yet.
    const hasBegun = this.#began === null;
    if (hasBegun) this.stop();
    if (isCulprit && hasBegun && (this.#skipTo ?? 0n) < this.position) this.#skipTo = this.position;
    const { ring } = this.#options;
    this.#model = this.#openModel(ring.start, hasBegun ? log.end : ring.end);
  }
}
