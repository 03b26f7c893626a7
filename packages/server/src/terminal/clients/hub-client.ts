import type { TerminalId } from "@microterm/protocol";
import { type Appearance, decodeClientFrame, MAX_FRAME_PAYLOAD, MAX_UNACKNOWLEDGED } from "@microterm/protocol";
import { CLOSE } from "../../auth/live-connections.ts";
import type { CloseReason } from "../guest/guest-reader.ts";
import { contained } from "../hub/contained.ts";
import type { TerminalHub } from "../hub/hub.ts";
import { LogConsumer, type Source } from "../hub/log-consumer.ts";
import type { LogItem } from "../hub/output-log.ts";
import type { AttachedClient } from "./attached-client.ts";
import type { ClientSocket } from "./client-socket.ts";
import { serverFrames } from "./frames.ts";
import { TypedInput } from "./input-ledger.ts";
import { later, OutputWindow } from "./output-window.ts";
import type { SizeSeat } from "./terminal-sizes.ts";

/** A viewer's input and sizes are refused. */
export type Role = "owner" | "viewer";

/** Held back one frame early, so that the frame under way stays within what the protocol promises. */
const WINDOW = MAX_UNACKNOWLEDGED - MAX_FRAME_PAYLOAD;
/**
 * While input waits for the guest the client is not read, so its acknowledgements stand in line behind that input. A
 * program that echoes a large paste would then wait for itself; so meanwhile the socket's own backpressure counts.
 */
const WINDOW_WHILE_INPUT_WAITS = 8 * 1024 * 1024;
/** Gaps that a client has not acknowledged: they cost no bytes of its window, and a guest may send as many as it likes. */
const MAX_GAPS = 256;
/** One that continues at an offset is waited for from the beginning, until it has had the time to acknowledge something. */
const GRACE_MS = 5_000;
/** A client that was given up is waited for again once it has kept up this long. */
const TRUST_AGAIN_MS = 10_000;
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
  readonly role: Role;
  /** The name under which the client goes on typing after its connection broke. */
  readonly input: string | undefined;
}

/** One client looking at a terminal: docs/reference/terminal-protocol.md. */
export class HubClient extends LogConsumer implements AttachedClient {
  readonly #socket: ClientSocket;
  readonly #hub: TerminalHub;
  readonly #role: Role;
  readonly #size: SizeSeat;
  readonly #window: OutputWindow;
  readonly #end: bigint;
  #appearance: Appearance | null = null;
  #isInputHeld = false;
  #isOver = false;
  #pong: number | null = null;
  #isDue = false;
  #isAsking = false;
  #hasAcknowledged = false;
  #graceEndsAt = 0;
  #trustAt = 0;
  #wasRefused = false;
  #wasToldAsleep = false;
  #wasToldLost = false;
  readonly #typed: TypedInput;
  #isAckDue = false;

  constructor({ socket, hub, source, terminal, start, end, from, role, input }: HubClientOptions) {
    super(source);
    this.#socket = socket;
    this.#hub = hub;
    this.#role = role;
    this.#end = end;
    this.#window = new OutputWindow(from ?? end);
    // A viewer is not waited for, nor taken for a client that is.
    this.#size = hub.join(this, role === "viewer" ? undefined : from);
    if (role === "viewer") this.#size.leave();
    else hub.prepareInput();
    const { typed, isKnown } = input === undefined ? { typed: new TypedInput(), isKnown: false } : hub.inputs.of(input);
    this.#typed = typed;
    // Others don't know what an INPUT_ACK is.
    if (input !== undefined) typed.hold(this);
    socket.receive({
      message: (message) => this.#message(message),
      drained: contained(hub.broke, () => this.#resume()),
      closed: contained(hub.broke, () => this.#closed()),
    });
    const isFuture = from !== undefined && from > end;
    const shown = from === undefined || isFuture ? end : from;
    if (isFuture) this.#window = new OutputWindow(end);
    const { title, cwd } = hub;
    const received = isKnown ? typed.received : null;
    socket.send(serverFrames.ready({ terminal, start, end, from: shown, role, title, cwd, input: received }));
    // It may not have heard how far that went.
    if (isKnown) this.moved();
    if (hub.warning !== null) socket.send(hub.warning);
    if (isFuture) {
      const text = `This terminal has not printed ${from} bytes: it is shown as it is now.`;
      socket.send(serverFrames.notice("offset-unknown", text));
    }
    if (from === undefined || isFuture || from < start) this.#ask();
    else {
      if (role !== "viewer") this.#graceEndsAt = performance.now() + GRACE_MS;
      this.startAt(from, null);
    }
  }

  /** May the guest be held back for it? Only while it acknowledges, and not soon after it was too slow. */
  get isWaitedFor(): boolean {
    const now = performance.now();
    return (this.#hasAcknowledged || now < this.#graceEndsAt) && now >= this.#trustAt;
  }

  get returnsAt(): bigint | null {
    const { position, unacknowledged } = this.#window;
    return this.#role !== "viewer" && !this.#isOver && this.isWaitedFor ? position - BigInt(unacknowledged) : null;
  }

  /** It is too far behind: a keyframe, once it takes something again. */
  giveUp(): void {
    this.#trustAt = performance.now() + TRUST_AGAIN_MS;
    this.stop();
    // Its window may have room; only what it acknowledges tells that it takes something.
    this.#isDue = true;
  }

  /** News are of no use later: a client that takes nothing misses them. Title and directory are in its next KEYFRAME. */
  tell(frame: Buffer): void {
    if (!this.isBlocked) this.#socket.send(frame);
  }

  dismiss({ code, reason }: CloseReason): void {
    this.#isOver = true;
    this.stop();
    this.#socket.close(code, reason);
  }

  protected override get isBlocked(): boolean {
    const window = this.#isInputHeld ? WINDOW_WHILE_INPUT_WAITS : WINDOW;
    return this.#socket.isCongested || this.#window.unacknowledged > window || this.#window.gaps > MAX_GAPS;
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
    this.#pong = null;
    if (this.#isDue) this.#ask();
    else this.pump();
  }

  #ask(): void {
    this.#isDue = false;
    if (this.#isAsking) return;
    this.#isAsking = true;
    const { position } = this.#window;
    const least = later(position, this.#end);
    const asked = this.#hub.keyframe(least).then(
      (keyframe) => {
        this.#isAsking = false;
        if (this.#isOver) return;
        // The log has gone past it in the meantime, or it was asked for by somebody who knew less.
        if (keyframe.item < this.source.log.first || keyframe.offset < least) {
          this.lost();
          return;
        }
        this.#socket.send(keyframe.frame);
        const untold = this.#hub.notices.takeUntold();
        if (untold !== null) this.#socket.send(untold);
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
        if (this.#role !== "viewer" && this.#size.answers() && FOCUS.has(Buffer.from(frame.bytes).toString("latin1"))) {
          this.#hub.write(frame.bytes, () => undefined);
        }
        break;
      case "ack":
        this.#acknowledge(frame.offset);
        break;
      case "resize":
        if (this.#role === "viewer") break;
        this.#askSize(this.#size.resized(frame));
        break;
      case "appearance":
        this.#appearance = frame.appearance;
        if (this.#role !== "viewer" && this.#size.answers()) this.#hub.useAppearance(this, frame.appearance);
        break;
      case "ping":
        // Of those that are not read only the latest waits.
        if (this.#socket.isCongested) this.#pong = frame.nonce;
        else this.#socket.send(serverFrames.pong(frame.nonce));
        break;
    }
  }

  #input(bytes: Uint8Array): void {
    const settle = this.#typed.receive(bytes.length);
    if (this.#role === "viewer") {
      settle();
      if (this.#wasRefused) return;
      this.#wasRefused = true;
      this.#socket.send(serverFrames.notice("read-only", "You are looking on: what you type goes nowhere."));
      return;
    }
    if (this.#hub.isAsleep) {
      settle();
      if (this.#wasToldAsleep) return;
      this.#wasToldAsleep = true;
      this.#socket.send(serverFrames.notice("paused", "The environment is paused: what you type goes nowhere."));
      return;
    }
    this.#wasToldAsleep = false;
    this.#hub.noteInput();
    this.#askSize(this.#size.typed());
    if (this.#appearance !== null && this.#hub.appearanceOf !== this) this.#hub.useAppearance(this, this.#appearance);
    const settled = contained(this.#hub.broke, (isTaken: boolean): void => {
      settle();
      if (isTaken) this.#wasToldLost = false;
      else this.#tellLost();
    });
    if (this.#hub.write(bytes, settled)) this.#holdWhileFull();
    else settled(false);
  }

  /** Once for each time that the terminal takes nothing. */
  #tellLost(): void {
    if (this.#wasToldLost || this.#isOver) return;
    this.#wasToldLost = true;
    this.#socket.send(serverFrames.notice("input-lost", "What you typed last did not reach the terminal and is lost."));
  }

  /** Of the client's name: the terminal has taken more. Many pieces are reported at once. */
  moved(): void {
    if (this.#isAckDue) return;
    this.#isAckDue = true;
    queueMicrotask(
      contained(this.#hub.broke, () => {
        this.#isAckDue = false;
        if (!this.#isOver) this.#socket.send(serverFrames.inputAck(this.#typed.settled));
      }),
    );
  }

  /** The client is back on another connection. */
  replaced(): void {
    this.dismiss({ code: CLOSE.normal, reason: "this client has another connection now" });
  }

  #acknowledge(offset: bigint): void {
    const before = this.#window.unacknowledged;
    if (!this.#window.acknowledge(offset)) throw new Error("ACK of bytes that were not sent");
    if (this.#window.unacknowledged < before) this.#hasAcknowledged = true;
    this.#resume();
    this.#hub.moved();
  }

  #askSize(size: { cols: number; rows: number } | null): void {
    if (size !== null) this.#hub.resize(size);
  }

  #holdWhileFull(): void {
    if (!this.#hub.isInputFull || this.#isInputHeld) return;
    this.#holdInput(true);
    this.#hub
      .drained()
      .then(() => this.#holdInput(false))
      .catch(this.#hub.broke);
  }

  #holdInput(held: boolean): void {
    if (held === this.#isInputHeld || this.#isOver) return;
    this.#isInputHeld = held;
    if (held) this.#socket.pause();
    else this.#socket.resume();
    this.#resume();
  }

  #closed(): void {
    this.#hub.leave(this);
    this.#typed.leave(this);
    this.#isOver = true;
    this.stop();
    this.#size.leave();
  }
}
