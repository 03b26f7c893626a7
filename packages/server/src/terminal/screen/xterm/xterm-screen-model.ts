import type { Appearance } from "@microterm/protocol";
import {
  Backlog,
  boundMemory,
  drawPlainRuns,
  followScreen,
  guardTerminal,
  hiddenOf,
  leaveOut,
  mayHide,
  type Screen,
  type ScreenFollower,
  type Waiting,
} from "@microterm/screen";
import { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
import headless from "@xterm/headless";
import { dropKeptScreen, keepScreen, readKeptScreen } from "../kept-screen.ts";
import type { FromWorker, ScreenPart } from "../model-messages.ts";
import type { Step } from "../model-turns.ts";
import type { ScreenContext, ScreenModel, ScreenRequest } from "../screen-model.ts";
import { spentMs } from "../worker-time.ts";
import { type EventWatch, watchEvents } from "./event-watch.ts";
import { pieces } from "./output-pieces.ts";
import { answerQueries, type QueryAnswers } from "./query-answers.ts";

/** The screen is kept after this much output, or once output has stopped for so long. */
const KEEP_EVERY_BYTES = 512 * 1024;
const KEEP_QUIET_MS = 2000;
/** Keeping takes at most this share of the time in a flood. */
const KEEP_SHARE = 0.1;
/** A model without output becomes bytes again after this time. */
const FREEZE_AFTER_MS = 10_000;
/** Processor time that one message of output may take; a screen of a million cells can be cleared every few bytes. */
const MAX_PARSE_MS = 2000;
/** What is drawn in one step, of screens of up to so many cells; of larger ones the less the larger they are. */
const SMALL_CELLS = 20_000;
const SLICE_BYTES = 32 * 1024;
const LARGE_SLICE_BYTES = 2048;

/** Of one screen with the rows above it: a very wide terminal keeps fewer of these. 12 bytes each. */
const MAX_SCREEN_CELLS = 1024 * 1024;
/** A screen that takes more than this as bytes rests on disk alone. */
const MAX_FROZEN_BYTES = 64 * 1024;

interface Live {
  readonly terminal: InstanceType<typeof headless.Terminal>;
  readonly screen: ScreenFollower;
  readonly answers: QueryAnswers;
  readonly events: EventWatch;
}

/** A headless xterm.js while there is output, bytes while there is none. */
export class XtermScreenModel implements ScreenModel {
  readonly #open: ScreenRequest;
  readonly #send: (message: FromWorker) => void;
  readonly #rested: () => void;
  readonly #later: (work: () => void) => void;
  readonly #fault: (error: unknown) => void;
  #live: Live | null = null;
  #frozen: Screen | null;
  /** What is kept on disk is the screen as it is. */
  #isKept = false;
  #appearance: Appearance | null = null;
  #offset: bigint;
  #keptOffset: bigint;
  #size: { cols: number; rows: number };
  #isTouched = false;
  #keptAt = 0;
  #keepCost = 0;
  readonly #backlog = new Backlog();
  /** Before that byte rows are missing that were left out: the screen is not looked at. */
  #exactFrom = 0n;
  #quiet: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(open: ScreenRequest, { send, rested, later, fault }: ScreenContext) {
    this.#open = open;
    this.#send = send;
    this.#rested = rested;
    this.#later = later;
    this.#fault = fault;
    const kept = open.isBlank ? null : readKeptScreen(open.path);
    const isUsable =
      kept !== null &&
      kept.createdUnixMs === open.createdUnixMs &&
      kept.offset >= open.start &&
      kept.offset <= open.end;
    this.#frozen = isUsable ? kept.screen : null;
    this.#offset = isUsable ? kept.offset : open.isBlank ? open.end : open.start;
    this.#keptOffset = this.#offset;
    this.#size = isUsable ? kept.screen : open;
    const { title = "", cwd = null } = this.#frozen?.state ?? {};
    const isFresh = !isUsable && open.start > 0n;
    const size = isUsable ? { cols: kept.screen.cols, rows: kept.screen.rows } : null;
    send({ kind: "opened", key: open.key, from: this.#offset, size, isFresh, title, cwd });
  }

  output(end: bigint, bytes: Uint8Array): Generator<Step> {
    return this.#steps(end, this.#backlog.push(bytes));
  }

  endBacklog(): void {
    this.#backlog.break();
  }

  *#steps(end: bigint, waiting: Waiting): Generator<Step> {
    try {
      if (!this.#isKeepDue && mayHide(this.#wake().terminal, waiting)) yield "wait";
      let spent = 0;
      const { bytes } = waiting;
      for (const piece of waiting.lineFeeds !== null ? this.#shown(waiting) : pieces(bytes, this.#slice)) {
        const begun = spentMs();
        this.#draw(piece);
        spent += spentMs() - begun;
        if (spent > MAX_PARSE_MS && this.#offset < end) {
          // The rest of it is not drawn.
          this.gap(end);
          return;
        }
        yield "more";
      }
    } finally {
      this.#offset = end;
    }
  }

  /** Of plain output what has to be drawn: not what has left the scrollback once the rest is. */
  *#shown(waiting: Waiting): Generator<Uint8Array> {
    const { bytes } = waiting;
    let asked = -1;
    for (let at = 0; at < bytes.length; at += this.#slice) {
      if (asked === this.#backlog.pushed) {
        yield bytes.subarray(at, at + this.#slice);
        continue;
      }
      asked = this.#backlog.pushed;
      const { terminal } = this.#wake();
      // From time to time the screen has to be exact, or none could be kept in a flood without end.
      const hidden = hiddenOf(terminal, waiting, at, this.#isKeepDue);
      if (hidden !== null) {
        leaveOut(terminal, bytes.subarray(at, at + hidden.bytes));
        at += hidden.bytes;
        this.#offset += BigInt(hidden.bytes);
        this.#exactFrom = this.#offset + BigInt(hidden.exactAfter);
      }
      yield bytes.subarray(at, at + this.#slice);
    }
  }

  #draw(piece: Uint8Array): void {
    // It may have been frozen since its last turn.
    const { screen, events } = this.#wake();
    this.#offset += BigInt(piece.length);
    screen.writeNow(piece);
    const found = events.take();
    if (found.length > 0 && this.#offset > this.#open.liveFrom) {
      this.#send({ kind: "events", key: this.#open.key, offset: this.#offset, events: found });
    }
    this.#touched();
  }

  /** Bytes of a step: every few of them may change each cell of the screen. */
  get #slice(): number {
    const cells = this.#size.cols * this.#size.rows;
    return cells <= SMALL_CELLS ? SLICE_BYTES : Math.max(1, Math.floor((LARGE_SLICE_BYTES * SMALL_CELLS) / cells));
  }

  get path(): string {
    return this.#open.path;
  }

  get cells(): number {
    if (this.#live === null) return 0;
    const { buffer, cols } = this.#live.terminal;
    return cols * (buffer.normal.length + buffer.alternate.length);
  }

  resized(cols: number, rows: number): void {
    const { terminal } = this.#wake();
    const { options } = terminal;
    const scrollback = this.#scrollbackOf({ cols, rows });
    if (scrollback < (options.scrollback ?? 0)) options.scrollback = scrollback;
    terminal.resize(cols, rows);
    options.scrollback = scrollback;
    this.#size = { cols, rows };
    this.#touched();
  }

  gap(end: bigint): void {
    const { screen } = this.#wake();
    // CAN ends an unfinished sequence; attributes and character sets as at the start.
    this.#exactFrom = 0n;
    screen.skip();
    screen.writeNow(new TextEncoder().encode("\x18\x1b[0m\x1b(B\x0f"));
    this.#offset = end;
    this.#touched();
  }

  reset(): void {
    this.#live?.terminal.dispose();
    this.#live = null;
    this.#frozen = null;
    this.#isKept = false;
    this.#exactFrom = 0n;
  }

  setAppearance(appearance: Appearance): void {
    this.#appearance = appearance;
    this.#live?.answers.setAppearance(appearance);
  }

  capture(part: ScreenPart): { readonly offset: bigint; readonly screen: Screen } {
    const isWhole = part === "whole";
    const screen = isWhole && this.#live === null ? this.#thaw() : null;
    const scrollback = part === "visible" ? 0 : this.#scrollbackOf(this.#size);
    if (screen === null && this.#live === null) this.#restLater();
    const take = () => this.#wake().screen.capture({ scrollback, withTexts: isWhole });
    return { offset: this.#offset, screen: screen ?? take() };
  }

  close(isKept: boolean): void {
    clearTimeout(this.#quiet);
    clearTimeout(this.#idle);
    if (isKept) this.#keep();
    else dropKeptScreen(this.#open.path);
    this.#live?.terminal.dispose();
    this.#live = null;
  }

  #wake(): Live {
    if (this.#live !== null) return this.#live;
    const frozen = this.#thaw();
    const scrollback = this.#scrollbackOf(this.#size);
    const terminal = new headless.Terminal({ ...this.#size, scrollback, allowProposedApi: true, logLevel: "off" });
    terminal.loadAddon(new UnicodeGraphemesAddon());
    guardTerminal(terminal, { onFault: this.#fault });
    boundMemory(terminal);
    drawPlainRuns(terminal);
    const screen = followScreen(terminal);
    const answer = (text: string): void => {
      if (this.#offset > this.#open.liveFrom) this.#send({ kind: "reply", key: this.#open.key, text });
    };
    terminal.onData(answer);
    // Before the screen is drawn, whose bytes tell the colours that programs have set.
    const answers = answerQueries(terminal, answer);
    if (frozen !== null) screen.restoreNow(frozen);
    terminal.options.scrollback = scrollback;
    this.#frozen = null;
    if (this.#appearance !== null) answers.setAppearance(this.#appearance);
    this.#live = { terminal, screen, answers, events: watchEvents(terminal, screen) };
    return this.#live;
  }

  #scrollbackOf({ cols, rows }: { readonly cols: number; readonly rows: number }): number {
    return Math.max(0, Math.min(this.#open.scrollback, Math.floor(MAX_SCREEN_CELLS / cols) - rows));
  }

  /** The screen as bytes; null where there is none. */
  #thaw(): Screen | null {
    if (this.#frozen !== null || !this.#isKept) return this.#frozen;
    const { path, createdUnixMs } = this.#open;
    const kept = readKeptScreen(path);
    return kept?.createdUnixMs === createdUnixMs && kept.offset === this.#offset ? kept.screen : null;
  }

  #touched(): void {
    this.#isTouched = true;
    this.#isKept = false;
    if (this.#isKeepDue) this.#keep();
    if (this.#quiet === undefined) this.#quiet = setTimeout(() => this.#later(() => this.#rest()), KEEP_QUIET_MS);
    else this.#quiet.refresh();
    this.#restLater();
  }

  #restLater(): void {
    if (this.#idle === undefined) this.#idle = setTimeout(() => this.#later(() => this.freeze()), FREEZE_AFTER_MS);
    else this.#idle.refresh();
  }

  get #isExact(): boolean {
    return this.#offset >= this.#exactFrom;
  }

  get #isKeepDue(): boolean {
    const isFar = this.#offset - this.#keptOffset >= KEEP_EVERY_BYTES;
    return isFar && performance.now() - this.#keptAt >= this.#keepCost / KEEP_SHARE;
  }

  #keep(): void {
    if (!this.#isTouched || !this.#isExact) return;
    const begun = performance.now();
    this.#isTouched = false;
    const { createdUnixMs, path } = this.#open;
    try {
      keepScreen(path, { createdUnixMs, ...this.capture("whole") });
      this.#keptOffset = this.#offset;
      this.#isKept = true;
      this.#send({ kind: "kept", path, createdUnixMs, offset: this.#offset });
    } catch {
      // The disk may be full: what is kept is older then, and the next time tries again.
    }
    this.#keptAt = performance.now();
    this.#keepCost = this.#keptAt - begun;
  }

  #rest(): void {
    this.#keep();
    this.#rested();
  }

  freeze(): void {
    this.#keep();
    // Rows that are missing are replaced by what waits, however the screen is kept until then.
    if (this.#live === null) return;
    const { screen } = this.capture("whole");
    this.#frozen = this.#isKept && screen.content.length > MAX_FROZEN_BYTES ? null : screen;
    this.#live.screen.dispose();
    this.#live.terminal.dispose();
    this.#live = null;
    this.#rested();
  }
}
