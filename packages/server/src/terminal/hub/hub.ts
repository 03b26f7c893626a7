import type { Appearance, TerminalEvent, TerminalExit } from "@microterm/protocol";
import { contentOf } from "@microterm/protocol";
import { CLOSE, type CloseReason } from "../../auth/live-connections.ts";
import type { AttachedClient } from "../clients/attached-client.ts";
import { serverFrames } from "../clients/frames.ts";
import { InputLedger } from "../clients/input-ledger.ts";
import { createTerminalSizes, type SeatOptions, type SizeSeat, type TerminalSize } from "../clients/terminal-sizes.ts";
import type { InputDone } from "../guest/guest-input.ts";
import { GuestReader } from "../guest/guest-reader.ts";
import { Recorder } from "../recording/recorder.ts";
import type { StoredRecording } from "../recording/recording-store.ts";
import { type Keyframe, Keyframes } from "../screen/keyframes.ts";
import { ModelFeed } from "../screen/model-feed.ts";
import type { ModelRequest } from "../screen/model-host.ts";
import type { ScreenPart } from "../screen/model-messages.ts";
import { type OpenedModel, openModel } from "../screen/open-model.ts";
import { BLANK_SCREEN, ScreenNotices } from "../screen/screen-notices.ts";
import { contained, containedAll } from "./contained.ts";
import { DisconnectedClients } from "./disconnected-clients.ts";
import { CHECK_MS } from "./flow-limits.ts";
import { type FlowPlan, planFlow } from "./flow-plan.ts";
import type { HubOptions } from "./hub-options.ts";
import { OutputLog } from "./output-log.ts";
import { TerminalPresence } from "./presence.ts";
import { ViewerRounds } from "./viewer-rounds.ts";

const ENDED: CloseReason = { code: CLOSE.normal, reason: "the program ended" };
const BROKEN: CloseReason = { code: CLOSE.serverShutdown, reason: "the server could not go on with this terminal" };

/** One terminal: one reader of the guest, one screen model, any number of clients. */
export class TerminalHub {
  readonly #options: HubOptions;
  /** Its owner's. Others look on, and nobody waits for them. */
  readonly #clients = new Set<AttachedClient>();
  readonly #rounds: ViewerRounds;
  readonly #disconnected = new DisconnectedClients();
  readonly #sizes = createTerminalSizes();
  readonly #log: OutputLog;
  readonly #feed: ModelFeed;
  readonly #keyframes: Readonly<Record<ScreenPart, Keyframes>>;
  readonly #reader: GuestReader;
  readonly notices = new ScreenNotices();
  readonly inputs = new InputLedger();
  /** Of those whom it is shared with: however many come and go, what its owner typed is remembered. */
  readonly sharedInputs = new InputLedger();
  readonly presence = new TerminalPresence();
  /** By grant, the first byte that it has shown. */
  readonly #shownFrom = new Map<string, bigint>();
  #check: NodeJS.Timeout | undefined;
  #pausedAt = 0;
  #printedAt = performance.now();
  #isOver = false;
  #hasExited = false;
  #recorder: Recorder | null = null;
  #ending: Promise<void> = Promise.resolve();
  #appearanceOf: AttachedClient | null = null;
  #askedSize: TerminalSize | null = null;

  private constructor(options: HubOptions, request: ModelRequest, opened: OpenedModel) {
    this.#options = options;
    const { terminal, agent, models, isEnvironmentPaused, onChange } = options;
    const { from, size } = opened.start;
    // The guest tells the size at that byte; until then it is that of the screen that was kept there.
    this.#log = new OutputLog(from, size ?? { cols: terminal.cols, rows: terminal.rows });
    this.#feed = new ModelFeed({
      log: this.#log,
      terminal: terminal.id,
      agent,
      host: models,
      request,
      opened,
      notified: (offset, events) => this.#notify(offset, events),
      replied: (text) => this.#answer(text),
      progressed: () => this.progressed(),
      cut: () => this.notices.cut(this.#clients),
      blanked: () => this.notices.blanked(this.#clients),
      broke: this.broke,
    });
    // Released when the terminal is looked at next.
    const made = () => this.#planAgain(!this.#isOver);
    const keyframesOf = (part: ScreenPart) => new Keyframes(this.#feed, this.#log, { part, made });
    this.#keyframes = { whole: keyframesOf("whole"), shared: keyframesOf("shared"), visible: keyframesOf("visible") };
    this.#rounds = new ViewerRounds(this.broke);
    this.#reader = new GuestReader({
      terminal: terminal.id,
      createdUnixMs: terminal.createdUnixMs,
      from,
      agent,
      isEnvironmentPaused,
      onChange,
      events: containedAll(this.broke, {
        output: (offset: bigint, bytes: Uint8Array) => {
          options.totals.outputBytes += bytes.length;
          this.#log.output(offset, bytes);
          this.#spread();
        },
        gap: (gapFrom: bigint, to: bigint) => {
          this.#log.gap(gapFrom, to);
          this.#spread();
        },
        resized: (offset: bigint, cols: number, rows: number) => {
          this.#log.resized(offset, { cols, rows });
          this.#spread();
        },
        exited: (offset: bigint, exit: TerminalExit) => {
          this.#hasExited = true;
          this.#log.exit(offset, exit);
          this.#spread();
        },
        attached: () => {
          if (this.#askedSize !== null) this.#reader.resize(this.#askedSize);
        },
        // A guest that has ended takes its terminals with it.
        ended: (closeReason: CloseReason) => this.close(closeReason, closeReason.code !== CLOSE.environmentGone),
      }),
    });
    this.#planAgain(true);
    this.#feed.begin();
  }

  /** The log begins where the screen model does, so that is opened first. */
  static async open(options: HubOptions): Promise<TerminalHub> {
    const { terminal, models, path, scrollback } = options;
    const request: ModelRequest = {
      path,
      scrollback,
      cols: 80,
      rows: 24,
      createdUnixMs: terminal.createdUnixMs,
      start: terminal.startOffset,
      end: terminal.endOffset,
      liveFrom: terminal.endOffset,
    };
    return new TerminalHub(options, request, await openModel(models, request));
  }

  get log(): OutputLog {
    return this.#log;
  }

  get createdUnixMs(): number {
    return this.#options.terminal.createdUnixMs;
  }

  /** The end of the output when the hub was opened: it may still be reading what was there before. */
  get liveFrom(): bigint {
    return this.#options.terminal.endOffset;
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
  join(client: AttachedClient, from: bigint | undefined): void {
    if (client.isShared) this.#rounds.add(client);
    else this.#clients.add(client);
    this.#options.totals.clients += 1;
    if (from !== undefined) this.#disconnected.returned(client, from, performance.now());
  }

  /** A client's say in the terminal's size. */
  seat(options?: SeatOptions): SizeSeat {
    return this.#sizes.join(options);
  }

  leave(client: AttachedClient): void {
    this.presence.leave(client);
    if (!this.#clients.delete(client) && !this.#rounds.delete(client)) return;
    this.#options.totals.clients -= 1;
    this.dropAppearance(client);
    if (!client.isShared) this.#disconnected.left(client, performance.now());
    // What an ended program printed is in the guest, and its screen is kept.
    if (this.#hasExited && this.#clients.size === 0) this.close(ENDED, true);
    else this.progressed();
  }

  /** The screen with all output up to `offset` at least. */
  keyframe(offset: bigint, part: ScreenPart = "whole"): Promise<Keyframe> {
    return this.#keyframes[part].take(offset);
  }

  /** The first byte that a grant has shown since this hub was opened; `offset`, from now on, where it has shown none. */
  shownFrom(grant: string, offset: bigint): bigint {
    const known = this.#shownFrom.get(grant);
    if (known === undefined) this.#shownFrom.set(grant, offset);
    return known ?? offset;
  }

  /** False: nothing was taken, because too much waits. `done` tells what became of it otherwise. */
  write(bytes: Uint8Array, done: InputDone): boolean {
    const isTaken = this.#reader.write(bytes, done);
    if (isTaken) this.#options.totals.inputBytes += bytes.length;
    return isTaken;
  }

  /** So much waits for the terminal that no client is read until `drained`. */
  get isInputFull(): boolean {
    return this.#reader.isInputFull;
  }

  /** What is written goes nowhere. */
  get isEnvironmentPaused(): boolean {
    return this.#reader.isEnvironmentPaused;
  }

  drained(): Promise<void> {
    return this.#reader.drained();
  }

  /** A client is there that may type. */
  readonly prepareInput = (): void => this.#reader.prepareInput();

  noteInput(): void {
    this.#options.onInput();
  }

  resize(size: TerminalSize): void {
    this.#askedSize = size;
    this.#reader.resize(size);
  }

  /** These are the colours that programs are told of. */
  useAppearance(client: AttachedClient, appearance: Appearance): void {
    this.#appearanceOf = client;
    this.#feed.setAppearance(appearance);
  }

  /** Its colours count no more. */
  dropAppearance(client: AttachedClient): void {
    if (this.#appearanceOf === client) this.#appearanceOf = null;
  }

  get appearanceOf(): AttachedClient | null {
    return this.#appearanceOf;
  }

  get recorder(): Recorder | null {
    return this.#recorder;
  }

  /** Records from now on, or goes on where the recording ends. */
  async record(stored: StoredRecording, startedAt: Date, isContinuing: boolean): Promise<void> {
    if (this.#recorder !== null) return;
    const { terminal, agent } = this.#options;
    const recorder = new Recorder({
      log: this.#log,
      terminal: terminal.id,
      agent,
      stored,
      startedAt,
      keyframe: async () => {
        const { frame, offset, cols, rows } = await this.keyframe(terminal.endOffset);
        return { offset, cols, rows, content: contentOf(frame) };
      },
      progressed: () => this.progressed(),
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

  /** What a client is told when it comes; null: nothing. */
  get warning(): Buffer | null {
    return this.#feed.isBlank ? BLANK_SCREEN : null;
  }

  /** A consumer of the log has made room, or has left. */
  progressed(): void {
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
    for (const client of [...this.#clients, ...this.#rounds.viewers]) client.disconnect(closeReason);
    this.presence.close();
    this.#options.onOver();
  }

  /** A program that asks and never reads gets no more answers than its terminal has room for. */
  #answer(text: string): void {
    if (!this.#reader.isInputFull) this.#reader.write(Buffer.from(text, "latin1"), () => undefined);
  }

  #notify(offset: bigint, events: readonly TerminalEvent[]): void {
    for (const event of events) {
      const frame = serverFrames.event(offset, event);
      for (const client of this.#clients) client.notify(frame);
    }
  }

  /** To the clients first, then to the model: a key's echo waits for no copy. */
  #spread(): void {
    this.#printedAt = performance.now();
    for (const client of this.#clients) client.pump();
    this.#recorder?.pump();
    this.#feed.pump();
    this.#rounds.pump();
    this.#regulate();
  }

  #regulate(): void {
    if (this.#isOver) return;
    const now = performance.now();
    const plan = planFlow(
      {
        clients: this.#clients,
        disconnected: this.#disconnected.all,
        returnedAt: this.#disconnected.returnedAt,
        log: this.#log,
        model: this.#feed,
        recorder: this.#recorder,
        isPaused: this.#reader.isPaused,
        pausedAt: this.#pausedAt,
        canLeave: this.#reader.canLeave,
        printedAt: this.#printedAt,
        hasExited: this.#hasExited,
      },
      now,
    );
    this.#carryOut(plan, now);
  }

  #carryOut(plan: FlowPlan, now: number): void {
    if (plan.isOver) {
      this.close(ENDED, true);
      return;
    }
    if (plan.evicted.length > 0) {
      for (const client of this.#clients) if (plan.evicted.includes(client)) client.evict();
    }
    this.#disconnected.keep(plan.disconnected);
    if (plan.isIdle) for (const keyframes of Object.values(this.#keyframes)) keyframes.forget();
    this.#log.trim(plan.needed, plan.recentBytes);
    this.#planAgain(plan.isDueAgain);
    switch (plan.guest) {
      case "pause":
        this.#pausedAt = now;
        this.#reader.pause();
        break;
      case "resume":
        this.#reader.resume();
        break;
      case "leave":
        this.#reader.leave();
        break;
      case "keep":
    }
  }

  #planAgain(isDue: boolean): void {
    if (!isDue) {
      clearInterval(this.#check);
      this.#check = undefined;
      return;
    }
    this.#check ??= setInterval(
      contained(this.broke, () => this.#regulate()),
      CHECK_MS,
    ).unref();
  }
}
