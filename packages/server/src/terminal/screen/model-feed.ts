import type { Appearance, TerminalEvent } from "@microterm/protocol";
import { outputOf } from "@microterm/protocol";
import { MAX_UNPARSED_BYTES } from "../hub/flow-limits.ts";
import { LogConsumer, type Source } from "../hub/log-consumer.ts";
import type { LogItem } from "../hub/output-log.ts";
import type { Captured, Model, ModelHost, ModelRequest, ModelStart } from "./model-host.ts";
import type { ScreenPart } from "./model-messages.ts";
import type { OpenedModel } from "./open-model.ts";

export interface ModelFeedOptions extends Source {
  readonly host: ModelHost;
  readonly request: ModelRequest;
  readonly opened: OpenedModel;
  notified(offset: bigint, events: readonly TerminalEvent[]): void;
  /** The program is to be sent an answer. */
  replied(text: string): void;
  /** Some room was made. */
  progressed(): void;
  /** The screen could not be continued: it begins in the middle of the output. */
  cut(): void;
  /** From now on it is blank. */
  blanked(): void;
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
  #title: string;
  #cwd: string | null;

  constructor(options: ModelFeedOptions) {
    super(options);
    this.#options = options;
    this.#model = options.opened.model;
    this.#title = options.opened.start.title;
    this.#cwd = options.opened.start.cwd;
  }

  /** Follows the log from where the model begins. The options' handlers are called from here on. */
  begin(): void {
    const { model, start } = this.#options.opened;
    this.#follow(start);
    this.#listen(model);
  }

  get title(): string {
    return this.#title;
  }

  get cwd(): string | null {
    return this.#cwd;
  }

  setAppearance(appearance: Appearance): void {
    this.#appearance = appearance;
    this.#model.setAppearance(appearance);
  }

  /** The screen with all output up to `offset` at least. Rejects when the terminal has gone before that. */
  async capture(offset: bigint, part: ScreenPart = "whole"): Promise<Captured & { readonly item: number }> {
    while (!this.#isClosed) {
      if (this.#isOpen && this.position >= offset && this.needs !== null) {
        const item = this.needs;
        this.#taking ??= item;
        const taken = await this.#model.capture(part).catch(() => null);
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

  /** Its output was too much for every worker: the screen is blank, and stays so. */
  get isBlank(): boolean {
    return this.#model.isBlank;
  }

  protected override get isBlocked(): boolean {
    return !this.#isOpen || this.#model.unparsed > MAX_UNPARSED_BYTES;
  }

  protected override take(item: LogItem): void {
    if (item.kind === "gap" || (item.kind === "output" && this.#model.isBlank)) this.#model.gap(item.end);
    else if (item.kind === "output") this.#model.output(item.end, outputOf(item.frame));
    else if (item.newSize !== null) this.#model.resized(item.newSize.cols, item.newSize.rows);
    if (this.#waiting.length > 0) this.#wake();
  }

  protected override lost(): void {
    // Neither log nor guest has what the kept screen needs next.
    const { log } = this.source;
    this.#options.cut();
    this.#model.gap(log.start);
    this.startAt(log.start, null);
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #follow({ from, size, isFresh, title, cwd }: ModelStart): void {
    this.#title = title;
    this.#cwd = cwd;
    this.#isOpen = true;
    const skipTo = this.#skipTo;
    this.#skipTo = null;
    if (this.isBlank) this.#options.blanked();
    else if (isFresh || skipTo !== null) this.#options.cut();
    if (skipTo !== null && skipTo > from) {
      this.#model.gap(skipTo);
      this.startAt(skipTo, size);
    } else this.startAt(from, size);
    this.#wake();
  }

  #listen(model: Model): void {
    const { notified, replied, progressed, broke } = this.#options;
    model.listen({
      parsed: () => {
        this.pump();
        progressed();
      },
      notified: (offset, events) => {
        for (const event of events) {
          if (event.kind === "title") this.#title = event.title;
          else if (event.kind === "cwd") this.#cwd = event.path;
        }
        notified(offset, events);
      },
      replied,
      lost: (isCulprit) => this.#reopen(isCulprit),
      broke,
    });
  }

  /** In a new worker, from what was kept. Bytes before now were answered and reported. */
  #reopen(isCulprit: boolean): void {
    if (this.#isClosed) return;
    this.#isOpen = false;
    const { end } = this.source.log;
    this.stop();
    if (isCulprit && (this.#skipTo ?? 0n) < this.position) this.#skipTo = this.position;
    const { host, request, broke } = this.#options;
    const model = host.open({ ...request, end, liveFrom: end });
    this.#model = model;
    if (this.#appearance !== null) model.setAppearance(this.#appearance);
    this.#listen(model);
    model.opened
      .then(
        (start) => this.#follow(start),
        () => undefined,
      )
      .catch(broke);
  }
}
