import type { TerminalRole } from "@microterm/core";
import { type Appearance, decodeClientFrame, type TerminalId } from "@microterm/protocol";
import { CLOSE, type CloseReason } from "../../auth/live-connections.ts";
import { contained } from "../hub/contained.ts";
import {
  CLIENT_GRACE_MS,
  CLIENT_WINDOW_BYTES,
  CLIENT_WINDOW_WHILE_INPUT_WAITS_BYTES,
  EVICTED_MS,
  MAX_CLIENT_GAPS,
} from "../hub/flow-limits.ts";
import type { TerminalHub } from "../hub/hub.ts";
import { LogConsumer, type Source } from "../hub/log-consumer.ts";
import type { LogItem } from "../hub/output-log.ts";
import type { Seat } from "../hub/presence.ts";
import type { ScreenPart } from "../screen/model-messages.ts";
import type { AttachedClient } from "./attached-client.ts";
import type { ClientSocket } from "./client-socket.ts";
import { serverFrames } from "./frames.ts";
import { type InputLedger, TypedInput, type TypingConnection } from "./input-ledger.ts";
import { KeyboardWish } from "./keyboard-wish.ts";
import { later, OutputWindow } from "./output-window.ts";
import type { SizeSeat, TerminalSize } from "./terminal-sizes.ts";

/** What a terminal sends when its window gains or loses the focus (DECSET 1004): the one report that only a client can make. */
const FOCUS = new Set(["\x1b[I", "\x1b[O"]);

export interface HubClientOptions {
  readonly socket: ClientSocket;
  readonly hub: TerminalHub;
  readonly source: Source;
  readonly terminal: TerminalId;
  /** The guest's ring when the client came. */
  readonly start: bigint;
  readonly end: bigint;
  /** The offset that the client asked for. */
  readonly from: bigint | undefined;
  readonly role: TerminalRole;
  /** What others are told of it; null: nothing. */
  readonly seat: Omit<Seat, "role"> | null;
  /** Whether it is told who else is there. */
  readonly isTold: boolean;
  /** Null: the terminal is its owner's own. */
  readonly shared: SharedAccess | null;
  /** The name under which the client goes on typing after its connection broke. */
  readonly input: string | undefined;
}

/** By what a client looks at a terminal that is not its own. */
export interface SharedAccess {
  readonly grant: string;
  /** What of the screen it begins with. */
  readonly part: ScreenPart;
  /** It asks to type, or not any more. */
  ask(isWanted: boolean): Promise<void>;
}

/** One client looking at a terminal: docs/reference/terminal-protocol.md. */
export class HubClient extends LogConsumer implements AttachedClient, TypingConnection {
  readonly #socket: ClientSocket;
  readonly #hub: TerminalHub;
  readonly #part: ScreenPart;
  readonly #keyboard: KeyboardWish | null;
  readonly isShared: boolean;
  #role: TerminalRole;
  /** Null while it may not type. */
  #size: SizeSeat | null = null;
  readonly #window: OutputWindow;
  readonly #end: bigint;
  #appearance: Appearance | null = null;
  #isReadPaused = false;
  #isOver = false;
  #pong: number | null = null;
  #isDue = false;
  #isAsking = false;
  #hasAcknowledged = false;
  #graceEndsAt = 0;
  #evictedUntil = 0;
  #wasRefused = false;
  #wasNotifiedOfPause = false;
  #wasNotifiedOfLoss = false;
  readonly #typed: TypedInput;
  #isAckDue = false;
  #present: Buffer | null = null;

  constructor(options: HubClientOptions) {
    super(options.source);
    const { socket, hub, terminal, start, end, from, role, input, seat, shared } = options;
    this.#socket = socket;
    this.#hub = hub;
    this.#role = role;
    this.#end = end;
    this.#part = shared?.part ?? "whole";
    this.#keyboard = shared === null ? null : new KeyboardWish(shared.ask);
    this.isShared = shared !== null;
    this.#window = new OutputWindow(from ?? end);
    // What a viewer has not acknowledged is not waited for, nor is its return, and it is not taken for a client that has returned.
    hub.join(this, role === "owner" ? from : undefined);
    this.#takeSeat();
    const known = input === undefined ? { typed: new TypedInput(), isKnown: false } : inputOf(hub, input, shared);
    const { typed, isKnown } = known;
    this.#typed = typed;
    // Others don't know what an INPUT_ACK is.
    if (input !== undefined) typed.connect(this);
    socket.receive({
      message: (message) => this.#message(message),
      drained: contained(hub.broke, () => this.#resume()),
      closed: contained(hub.broke, () => this.#closed()),
    });
    const isFuture = from !== undefined && from > end;
    const shown = from === undefined || isFuture ? end : from;
    if (isFuture) this.#window = new OutputWindow(end);
    // What programs say of themselves is for the owner.
    const { title, cwd } = shared === null ? hub : { title: "", cwd: null };
    const ready = { terminal, start, end, from: shown, role, grant: shared?.grant ?? null, title, cwd };
    socket.send(serverFrames.ready({ ...ready, input: isKnown ? typed.received : null }));
    // It may not have heard how far that went.
    if (isKnown) this.inputDone();
    if (hub.warning !== null) socket.send(hub.warning);
    if (isFuture) {
      const text = `This terminal has not printed ${from} bytes: it is shown as it is now.`;
      socket.send(serverFrames.notice("offset-unknown", text));
    }
    if (from === undefined || isFuture || from < start) this.#ask();
    else {
      if (role === "owner") this.#graceEndsAt = performance.now() + CLIENT_GRACE_MS;
      this.startAt(from, null);
    }
    if (seat !== null) hub.presence.join(this, { ...seat, role }, options.isTold);
  }

  /** From the next frame on it may do what this role may. */
  become(role: TerminalRole, isAsking: boolean): void {
    this.#hub.presence.change(this, { role, isAsking });
    if (role === this.#role || this.#isOver) return;
    this.#role = role;
    this.#takeSeat();
    const [code, text] = this.#mayType
      ? ["keyboard-given", "You may type here now."]
      : ["keyboard-taken", "You are looking on from now on: what you type goes nowhere."];
    this.#wasRefused = !this.#mayType;
    this.#socket.send(serverFrames.notice(code, text));
  }

  get #mayType(): boolean {
    return this.#role !== "viewer";
  }

  #takeSeat(): void {
    this.#size?.leave();
    this.#size = this.#mayType ? this.#hub.seat({ isByTypingAlone: this.#role === "editor" }) : null;
    if (this.#mayType) this.#hub.prepareInput();
    else this.#hub.dropAppearance(this);
  }

  get hasAcknowledged(): boolean {
    return this.#hasAcknowledged;
  }

  get graceEndsAt(): number {
    return this.#graceEndsAt;
  }

  get evictedUntil(): number {
    return this.#evictedUntil;
  }

  get acknowledged(): bigint | null {
    const { position, unacknowledged } = this.#window;
    return this.#role === "owner" && !this.#isOver ? position - BigInt(unacknowledged) : null;
  }

  evict(): void {
    this.#evictedUntil = performance.now() + EVICTED_MS;
    this.stop();
    // Its window may have room; only what it acknowledges tells that it takes something.
    this.#isDue = true;
  }

  /** A client that takes nothing misses it. Title and directory are in its next KEYFRAME. */
  notify(frame: Buffer): void {
    if (!this.isBlocked) this.#socket.send(frame);
  }

  present(frame: Buffer): void {
    if (this.isBlocked) this.#present = frame;
    else this.#socket.send(frame);
  }

  disconnect({ code, reason }: CloseReason): void {
    this.#isOver = true;
    this.stop();
    this.#socket.close(code, reason);
  }

  protected override get isBlocked(): boolean {
    const window = this.#isReadPaused ? CLIENT_WINDOW_WHILE_INPUT_WAITS_BYTES : CLIENT_WINDOW_BYTES;
    return this.#socket.isCongested || this.#window.unacknowledged > window || this.#window.gaps > MAX_CLIENT_GAPS;
  }

  protected override take(item: LogItem): void {
    this.#socket.send(item.frame);
    if (item.kind === "output") this.#window.sent(Number(item.end - item.offset));
    else if (item.kind === "gap") this.#window.skipped(item.end);
    else if (item.kind === "exit") {
      this.#isOver = true;
      this.stop();
      this.#socket.close(CLOSE.normal, "the program ended");
    }
  }

  protected override lost(): void {
    this.stop();
    this.#isDue = true;
    this.#resume();
  }

  #resume(): void {
    if (this.isBlocked) {
      this.pump();
      return;
    }
    if (this.#pong !== null) this.#socket.send(serverFrames.pong(this.#pong));
    if (this.#present !== null) this.#socket.send(this.#present);
    this.#pong = null;
    this.#present = null;
    if (this.#isDue) this.#ask();
    else this.pump();
  }

  #ask(): void {
    this.#isDue = false;
    if (this.#isAsking) return;
    this.#isAsking = true;
    const { position } = this.#window;
    const least = later(position, this.#end);
    const asked = this.#hub.keyframe(least, this.#part).then(
      (keyframe) => {
        this.#isAsking = false;
        if (this.#isOver) return;
        // The log has gone past it in the meantime, or a client asked for it that knew less.
        if (keyframe.item < this.source.log.first || keyframe.offset < least) {
          this.lost();
          return;
        }
        this.#socket.send(keyframe.frame);
        const notice = this.isShared ? null : this.#hub.notices.takePending();
        if (notice !== null) this.#socket.send(notice);
        if (keyframe.offset > this.#window.position) this.#window.skipped(keyframe.offset);
        this.startAt(keyframe.offset, { cols: keyframe.cols, rows: keyframe.rows });
      },
      () => {
        this.#isAsking = false;
      },
    );
    asked.catch(this.#hub.broke);
  }

  #message(message: Buffer): void {
    const frame = decodeClientFrame(message);
    switch (frame.type) {
      case "input":
        this.#input(frame.bytes);
        break;
      case "reply":
        // Queries are answered here; of what emulators report by themselves only the focus is the client's own.
        if (this.#size?.answers() === true && FOCUS.has(Buffer.from(frame.bytes).toString("latin1"))) {
          this.#hub.write(frame.bytes, () => undefined);
        }
        break;
      case "ack":
        this.#acknowledge(frame.offset);
        break;
      case "resize":
        if (this.#size !== null) this.#askSize(this.#size.resized(frame));
        break;
      case "appearance":
        this.#appearance = frame.appearance;
        if (this.#size?.answers() === true) this.#hub.useAppearance(this, frame.appearance);
        break;
      case "ping":
        // Of those that are not read only the latest waits.
        if (this.#socket.isCongested) this.#pong = frame.nonce;
        else this.#socket.send(serverFrames.pong(frame.nonce));
        break;
      case "keyboard":
        this.#keyboard?.wish(frame.isWanted);
        break;
    }
  }

  #input(bytes: Uint8Array): void {
    const finish = this.#typed.receive(bytes.length);
    if (this.#size === null) {
      finish();
      if (this.#wasRefused) return;
      this.#wasRefused = true;
      this.#socket.send(serverFrames.notice("read-only", "You are looking on: what you type goes nowhere."));
      return;
    }
    if (this.#hub.isEnvironmentPaused) {
      finish();
      if (this.#wasNotifiedOfPause) return;
      this.#wasNotifiedOfPause = true;
      this.#socket.send(serverFrames.notice("paused", "The environment is paused: what you type goes nowhere."));
      return;
    }
    this.#wasNotifiedOfPause = false;
    this.#hub.noteInput();
    this.#hub.presence.typed(this);
    this.#askSize(this.#size.typed());
    if (this.#appearance !== null && this.#hub.appearanceOf !== this) this.#hub.useAppearance(this, this.#appearance);
    const done = contained(this.#hub.broke, (isTaken: boolean): void => {
      finish();
      if (isTaken) this.#wasNotifiedOfLoss = false;
      else this.#notifyOfLoss();
    });
    if (this.#hub.write(bytes, done)) this.#pauseWhileFull();
    else done(false);
  }

  /** Once for each time that the terminal takes nothing. */
  #notifyOfLoss(): void {
    if (this.#wasNotifiedOfLoss || this.#isOver) return;
    this.#wasNotifiedOfLoss = true;
    this.#socket.send(serverFrames.notice("input-lost", "What you typed last did not reach the terminal and is lost."));
  }

  /** Many pieces are reported at once. */
  inputDone(): void {
    if (this.#isAckDue) return;
    this.#isAckDue = true;
    queueMicrotask(
      contained(this.#hub.broke, () => {
        this.#isAckDue = false;
        if (!this.#isOver) this.#socket.send(serverFrames.inputAck(this.#typed.done));
      }),
    );
  }

  replaced(): void {
    this.disconnect({ code: CLOSE.normal, reason: "this client has another connection now" });
  }

  #acknowledge(offset: bigint): void {
    const before = this.#window.unacknowledged;
    if (!this.#window.acknowledge(offset)) throw new Error("ACK of bytes that were not sent");
    if (this.#window.unacknowledged < before) this.#hasAcknowledged = true;
    this.#resume();
    this.#hub.progressed();
  }

  #askSize(size: TerminalSize | null): void {
    if (size !== null) this.#hub.resize(size);
  }

  #pauseWhileFull(): void {
    if (!this.#hub.isInputFull || this.#isReadPaused) return;
    this.#pauseReading(true);
    this.#hub
      .drained()
      .then(() => this.#pauseReading(false))
      .catch(this.#hub.broke);
  }

  #pauseReading(isPaused: boolean): void {
    if (isPaused === this.#isReadPaused || this.#isOver) return;
    this.#isReadPaused = isPaused;
    if (isPaused) this.#socket.pause();
    else this.#socket.resume();
    this.#resume();
  }

  #closed(): void {
    this.#hub.leave(this);
    this.#typed.disconnect(this);
    this.#isOver = true;
    this.stop();
    this.#size?.leave();
  }
}

/** Nobody goes on under a name that another grant's client, or the owner's, has given itself. */
const inputOf = (hub: TerminalHub, input: string, shared: SharedAccess | null): ReturnType<InputLedger["of"]> =>
  shared === null ? hub.inputs.of(input) : hub.sharedInputs.of(`${shared.grant}/${input}`);
