import type { Appearance, TerminalEvent, TerminalExit } from "@microterm/protocol";
import { contentOf } from "@microterm/protocol";
import { CLOSE } from "../../auth/live-connections.ts";
import type { AttachedClient } from "../clients/attached-client.ts";
import { serverFrames } from "../clients/frames.ts";
import { InputLedger } from "../clients/input-ledger.ts";
import { createTerminalSizes, type SizeSeat } from "../clients/terminal-sizes.ts";
import type { Settled } from "../guest/guest-input.ts";
import { type CloseReason, GuestReader } from "../guest/guest-reader.ts";
import { Recorder } from "../recording/recorder.ts";
import type { RecordingFile } from "../recording/recording-file.ts";
import { HubKeyframes, type Keyframe } from "../screen/keyframes.ts";
import { ModelFeed } from "../screen/model-feed.ts";
import { EMPTY_SCREEN, ScreenNotices } from "../screen/screen-notices.ts";
import { contained, containedAll } from "./contained.ts";
import { DisconnectedClients } from "./disconnected-clients.ts";
import type { HubOptions } from "./hub-options.ts";
import { OutputLog, RECENT_BYTES } from "./output-log.ts";

/** A consumer that is waited for may be so far behind; then the guest is read no further. */
const HOLD_BEHIND_BYTES = 512 * 1024;
const GO_ON_BEHIND_BYTES = 256 * 1024;
/**
 * The guest's agent holds its program for 5 s for a reader that does not move, and gives bytes up then. Before that the
 * clients that are behind are given up instead, and get a keyframe when they are back; where the guest has to be held longer it is left
 * by its reader, for whose return the agent waits 30 s.
 */
const HOLD_MS = 4000;
/**
 * In all, for whichever clients: one on a bad line that comes and goes without end would hold all others up, and the guest's agent gives
 * bytes up 30 s after the reader has left.
 */
const MOST_HOLD_MS = 30_000;
const CHECK_MS = 250;
/**
 * A client that goes (a refresh, a cut cable), and each of them when this server dies, comes back for the byte after the last that it
 * has acknowledged. The agent keeps 640 KiB before what was read of it (docs/reference/agent-protocol.md, The ring), of which a stream's
 * window and what is on its way take some, so this is as far as the guest is read beyond that byte.
 */
const RETURN_BYTES = 384n * 1024n;
/** What a held guest goes on at. */
const RETURN_GO_ON_BYTES = 256n * 1024n;
/** A terminal that has ended and that nobody looks at is closed after so long: a client may be on its way. */
const ENDED_MS = 2000;
/** A terminal that has printed nothing for so long keeps nothing in memory that the guest or its model has as well. */
const IDLE_MS = 10_000;

const ENDED: CloseReason = { code: CLOSE.normal, reason: "the program ended" };
const BROKEN: CloseReason = { code: CLOSE.serverShutdown, reason: "the server could not go on with this terminal" };

/** One terminal: one reader of the guest, one screen model, any number of clients. */
export class TerminalHub {
  readonly #options: HubOptions;
  readonly #clients = new Set<AttachedClient>();
  readonly #sizes = createTerminalSizes();
  readonly #feed: ModelFeed;
  readonly #log: OutputLog;
  readonly #reader: GuestReader;
  #check: NodeJS.Timeout | undefined;
  #heldSince = 0;
  /** When a client came that goes on: it has its time to catch up, however long the guest was held for it before. */
  #backAt = 0;
  readonly notices = new ScreenNotices();
  readonly inputs = new InputLedger();
  #printedAt = performance.now();
  readonly #gone = new DisconnectedClients();
  readonly #keyframes: HubKeyframes;
  #isOver = false;
  #hasExited = false;
  #recorder: Recorder | null = null;
  #ending: Promise<void> = Promise.resolve();
  #appearanceOf: AttachedClient | null = null;
  #askedSize: { cols: number; rows: number } | null = null;

  private constructor(options: HubOptions, feed: ModelFeed, log: OutputLog) {
    this.#options = options;
    this.#feed = feed;
    this.#log = log;
    const { terminal, agent, isAsleep, onChange } = options;
    // Released when the terminal is looked at next.
    this.#keyframes = new HubKeyframes(feed, log, () => this.#lookAgain(!this.#isOver));
    this.#reader = new GuestReader({
      terminal: terminal.id,
      createdUnixMs: terminal.createdUnixMs,
      from: log.end,
      agent,
      isAsleep,
      onChange,
      events: containedAll(this.broke, {
        output: (offset: bigint, bytes: Uint8Array) => {
          log.output(offset, bytes);
          this.#spread();
        },
        gap: (from: bigint, to: bigint) => {
          log.gap(from, to);
          this.#spread();
        },
        resized: (offset: bigint, cols: number, rows: number) => {
          log.resized(offset, { cols, rows });
          this.#spread();
        },
        exited: (offset: bigint, exit: TerminalExit) => {
          this.#hasExited = true;
          log.exit(offset, exit);
          this.#spread();
        },
        attached: () => {
          if (this.#askedSize !== null) this.#reader.resize(this.#askedSize);
        },
        // A guest that has ended takes its terminals with it.
        ended: (closeReason: CloseReason) => this.close(closeReason, closeReason.code !== CLOSE.environmentGone),
      }),
    });
    this.#lookAgain(true);
  }

  static async open(options: HubOptions): Promise<TerminalHub> {
    const { terminal, agent, models, path } = options;
    let hub: TerminalHub | null = null;
    let log: OutputLog | null = null;
    let isCut = false;
    const feed = await ModelFeed.open(
      {
        host: models,
        path,
        scrollback: options.scrollback,
        createdUnixMs: terminal.createdUnixMs,
        terminal: terminal.id,
        agent,
        ring: { start: terminal.startOffset, end: terminal.endOffset },
        news: (offset, news) => hub?.tell(offset, news),
        reply: (text) => hub?.answer(text),
        moved: () => hub?.moved(),
        restarted: () => {
          isCut = true;
          hub?.restarted();
        },
        emptied: () => hub?.emptied(),
        broke: (error) => (hub === null ? options.broke(error) : hub.broke(error)),
      },
      (from, size) => {
        // The guest tells the size at that byte; until then it is that of the screen that was kept there.
        log = new OutputLog(from, size ?? { cols: terminal.cols, rows: terminal.rows });
        return log;
      },
    );
    hub = new TerminalHub(options, feed, log as unknown as OutputLog);
    if (isCut) hub.restarted();
    return hub;
  }

  get log(): OutputLog {
    return this.#log;
  }

  get createdUnixMs(): number {
    return this.#options.terminal.createdUnixMs;
  }

  /** Resolves when all that it had to write is written, or nothing of it that is to go. */
  get ended(): Promise<void> {
    return this.#ending;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get title(): string {
    return this.#feed.title;
  }

  get cwd(): string | null {
    return this.#feed.cwd;
  }

  /** `from`: where it goes on; undefined for one that is new, or looks on. */
  join(client: AttachedClient, from: bigint | undefined): SizeSeat {
    this.#clients.add(client);
    if (from !== undefined) {
      this.#gone.came(client, from);
      this.#backAt = performance.now();
    }
    return this.#sizes.join();
  }

  leave(client: AttachedClient): void {
    if (!this.#clients.delete(client)) return;
    const { returnsAt } = client;
    if (returnsAt !== null) this.#gone.left(returnsAt);
    if (this.#appearanceOf === client) this.#appearanceOf = null;
    // What an ended program printed is in the guest, and its screen is kept.
    if (this.#hasExited && this.#clients.size === 0) this.close(ENDED, true);
    else this.moved();
  }

  /** The screen with all output up to `offset` at least. */
  keyframe(offset: bigint): Promise<Keyframe> {
    return this.#keyframes.take(offset);
  }

  /** False: nothing was taken, because too much waits. `settled` tells what became of it otherwise. */
  write(bytes: Uint8Array, settled: Settled): boolean {
    return this.#reader.write(bytes, settled);
  }

  /** So much waits for the terminal that no client is read until `drained`. */
  get isInputFull(): boolean {
    return this.#reader.isFull;
  }

  /** Its environment is paused, so what is written goes nowhere. */
  get isAsleep(): boolean {
    return this.#reader.isAsleep;
  }

  drained(): Promise<void> {
    return this.#reader.drained();
  }

  /** A client is there that may type. */
  readonly prepareInput = (): void => this.#reader.prepareInput();

  noteInput(): void {
    this.#options.onInput();
  }

  resize(size: { cols: number; rows: number }): void {
    this.#askedSize = size;
    this.#reader.resize(size);
  }

  /** These are the colours that programs are told of. */
  useAppearance(client: AttachedClient, appearance: Appearance): void {
    this.#appearanceOf = client;
    this.#feed.setAppearance(appearance);
  }

  get appearanceOf(): AttachedClient | null {
    return this.#appearanceOf;
  }

  /** A program that asks and never reads gets no more answers than its terminal has room for. */
  answer(text: string): void {
    if (!this.#reader.isFull) this.#reader.write(Buffer.from(text, "latin1"), () => undefined);
  }

  tell(offset: bigint, news: readonly TerminalEvent[]): void {
    for (const one of news) {
      const frame = serverFrames.event(offset, one);
      for (const client of this.#clients) client.tell(frame);
    }
  }

  get recorder(): Recorder | null {
    return this.#recorder;
  }

  /** Records from now on, or goes on where the file ends. */
  async record(file: RecordingFile, startedAt: Date, isContinuing: boolean): Promise<void> {
    if (this.#recorder !== null) return;
    const { terminal, agent } = this.#options;
    const recorder = new Recorder({
      log: this.#log,
      terminal: terminal.id,
      agent,
      file,
      startedAt,
      keyframe: async () => {
        const { frame, offset, cols, rows } = await this.keyframe(terminal.endOffset);
        return { offset, cols, rows, content: contentOf(frame) };
      },
      moved: () => this.moved(),
      broke: this.broke,
    });
    this.#recorder = recorder;
    try {
      await recorder.begin(isContinuing);
    } catch (error) {
      if (this.#recorder === recorder) this.#recorder = null;
      throw error;
    }
  }

  async stopRecording(): Promise<void> {
    const recorder = this.#recorder;
    this.#recorder = null;
    await recorder?.end();
  }

  restarted(): void {
    this.notices.cut(this.#clients);
  }

  emptied(): void {
    this.notices.emptied(this.#clients);
  }

  /** What a client is told when it comes; null: nothing. */
  get warning(): Buffer | null {
    return this.#feed.isEmpty ? EMPTY_SCREEN : null;
  }

  /** A consumer has made room. */
  moved(): void {
    this.#regulate();
  }

  /** Something was thrown over this terminal: only this hub is lost, and clients that come back get another. */
  readonly broke = (error: unknown): void => {
    this.#options.broke(error);
    contained(this.#options.broke, () => this.close(BROKEN, true))();
  };

  close(closeReason: CloseReason, isKept: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#check);
    this.#reader.close();
    const closed = this.#feed.close(isKept);
    const written = this.stopRecording().catch(() => undefined);
    // A screen that is to be kept is kept in the worker's own time.
    this.#ending = isKept ? written : closed.then(() => written);
    closed.catch(this.#options.broke);
    for (const client of [...this.#clients]) client.dismiss(closeReason);
    this.#options.onOver();
  }

  /** To the clients first, then to the model: a key's echo waits for no copy. */
  #spread(): void {
    this.#printedAt = performance.now();
    for (const client of this.#clients) client.pump();
    this.#recorder?.pump();
    this.#feed.pump();
    this.#regulate();
  }

  #isFar(offset: bigint | null, isHeld: boolean): boolean {
    return offset !== null && this.#log.end - offset > (isHeld ? RETURN_GO_ON_BYTES : RETURN_BYTES);
  }

  /** Holds the guest back for those who take part, for a while, and releases what no consumer needs. */
  #regulate(): void {
    if (this.#isOver) return;
    const now = performance.now();
    if (this.#hasExited && this.#clients.size === 0 && now - this.#printedAt > ENDED_MS) {
      const hasAll = this.#feed.behind === 0 && (this.#recorder?.behind ?? 0) === 0;
      if (hasAll) {
        this.close(ENDED, true);
        return;
      }
    }
    const isHeld = this.#reader.isPaused;
    const limit = isHeld ? GO_ON_BEHIND_BYTES : HOLD_BEHIND_BYTES;
    let needed = this.#feed.keeps ?? this.#log.next;
    let shouldHold = this.#feed.behind > limit;
    const recorder = this.#recorder;
    if (recorder !== null && recorder.needs !== null) {
      shouldHold ||= recorder.behind > limit;
      needed = Math.min(needed, recorder.needs);
    }
    // A reader that can't leave holds its program for 5 s.
    const isSpent = isHeld && now - this.#heldSince > (this.#reader.canLeave ? MOST_HOLD_MS : HOLD_MS);
    const isOut = isSpent || (isHeld && now - Math.max(this.#heldSince, this.#backAt) > HOLD_MS);
    for (const client of this.#clients) {
      if (!client.isWaitedFor || client.needs === null) continue;
      const isBehind = client.behind > limit || this.#isFar(client.returnsAt, isHeld);
      if (isBehind && isOut) client.giveUp();
      else {
        shouldHold ||= isBehind;
        needed = Math.min(needed, client.needs);
      }
    }
    if (isSpent) this.#gone.forget();
    const gone = this.#gone.waiting(this.#clients);
    shouldHold ||= gone.some((offset) => this.#isFar(offset, isHeld));
    // What ended a terminal stays for those who have not taken it.
    const isIdle = now - this.#printedAt > IDLE_MS && !this.#hasExited;
    if (isIdle) this.#keyframes.forget();
    this.#log.trim(needed, isIdle ? 0 : RECENT_BYTES);
    this.#lookAgain(!isIdle || shouldHold || gone.length > 0 || this.#log.first < this.#log.next);
    if (shouldHold && isHeld && now - this.#heldSince > HOLD_MS) this.#reader.leave();
    if (shouldHold === isHeld) return;
    if (shouldHold) {
      this.#heldSince = now;
      this.#reader.pause();
    } else this.#reader.resume();
  }

  /** Whether time alone changes anything: a terminal at rest is not looked at until something happens to it. */
  #lookAgain(isDue: boolean): void {
    if (!isDue) clearInterval(this.#check);
    this.#check = isDue
      ? (this.#check ??
        setInterval(
          contained(this.broke, () => this.#regulate()),
          CHECK_MS,
        ).unref())
      : undefined;
  }
}
