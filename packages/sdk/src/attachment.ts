import {
  type Appearance,
  decodeServerFrame,
  encodeAck,
  encodeAppearance,
  encodeInput,
  encodeKeyboard,
  encodePing,
  encodeReply,
  encodeResize,
  FrameError,
  PlatformError,
  type Ready,
  type ServerFrame,
  TERMINAL_SUBPROTOCOL,
} from "@microterm/protocol";
import type { AttachmentState, AttachOptions, Size } from "./attachment-options.ts";
import { backoffMs, realTiming, type Timing } from "./backoff.ts";
import { InputQueue } from "./input-queue.ts";
import { Position } from "./position.ts";
import { listen, SOCKET_OPEN, type SocketLike } from "./socket.ts";

const PING_EVERY_MS = 2_500;
/** A connection that was silent this long is dead, whatever TCP believes: PINGs are answered at once. */
const SILENCE_MS = 7_500;
/**
 * A message of megabytes on a slow line is silence as well until the last of it is there: each connection in a row that was
 * given up for its silence is followed by one that may be silent for twice as long.
 */
const MOST_SILENCE_MS = 60_000;
/** A connection that held this long resets the backoff; one that breaks at once must not be retried at full speed. */
const STABLE_MS = 1_000;
/** From the first packet to READY. */
const CONNECT_MS = 10_000;
/** Input stays in our bounded queue while the socket holds more than this. */
const SOCKET_BUFFER_BYTES = 256 * 1024;
const DRAIN_CHECK_MS = 20;

/** One client's view of one terminal, across any number of connections: docs/reference/terminal-protocol.md. */
export class Attachment {
  readonly #options: AttachOptions;
  readonly #timing: Timing;
  readonly #position: Position;
  readonly #queue = new InputQueue();
  readonly #name: string;
  #isAcknowledged = false;
  #state: AttachmentState = { kind: "connecting", attempt: 0 };
  #socket: SocketLike | null = null;
  #unlisten: () => void = () => {};
  #isReady = false;
  #isOpened = false;
  #size: Size | null;
  #appearance: Appearance | null;
  #attempt = 0;
  #openedAt = 0;
  #silenceMs = SILENCE_MS;
  #heardAt = 0;
  #ping: { readonly nonce: number; readonly at: number } | null = null;
  #nonce = 0;
  #cancelRetry: () => void = () => {};
  #cancelWatch: () => void = () => {};
  #cancelDrain: (() => void) | null = null;

  constructor(options: AttachOptions) {
    this.#options = options;
    this.#name = options.input ?? randomName();
    this.#timing = options.timing ?? realTiming;
    this.#position = new Position(options.from);
    this.#size = options.size;
    this.#appearance = options.appearance ?? null;
    this.#connect();
  }

  get state(): AttachmentState {
    return this.#state;
  }

  /** The next byte that is wanted: what to pass as `from` to continue after a page refresh. Null before the first READY. */
  get offset(): bigint | null {
    return this.#position.offset;
  }

  /** Bytes of input that the terminal has not taken yet, as far as is known here. */
  get queuedInput(): number {
    return this.#queue.size;
  }

  /**
   * Types. Kept until the terminal has taken it, over any number of connections, up to 1 MiB; false: refused whole, nothing
   * was taken. Where another server answers that can't say what arrived, `onInputLost` does.
   */
  write(bytes: Uint8Array): boolean {
    if (this.#isOver()) return false;
    const isAccepted = this.#queue.push(bytes);
    this.#drain();
    return isAccepted;
  }

  /**
   * Passes on the emulator's report of its focus (DECSET 1004). The server takes it from one of a terminal's clients, and as no typing;
   * answers to queries it gives itself, so anything else is dropped there. Without a connection it is dropped here.
   */
  reply(bytes: Uint8Array): void {
    if (this.#isReady) this.#send(encodeReply(bytes));
  }

  /** At a terminal that is shared: asks its owner to be let type, or does not want to any more. */
  askKeyboard(isWanted: boolean): void {
    if (this.#isReady) this.#send(encodeKeyboard(isWanted));
  }

  resize(cols: number, rows: number): void {
    this.#size = { cols, rows };
    if (this.#isReady) this.#send(encodeResize(cols, rows));
  }

  setAppearance(appearance: Appearance): void {
    this.#appearance = appearance;
    if (this.#isReady) this.#send(encodeAppearance(appearance));
  }

  /** All output before `offset` has been drawn; the server sends at most 512 KiB beyond it. */
  acknowledge(offset: bigint): void {
    const due = this.#isReady ? this.#position.draw(offset) : null;
    if (due !== null) this.#send(encodeAck(due));
  }

  /** Cuts a wait for the next try short, as when the browser says that it is online again, or that for another sign-in. */
  reconnectNow(): void {
    if (this.#state.kind !== "waiting" && this.#state.kind !== "signed-out") return;
    this.#cancelRetry();
    this.#connect();
  }

  /** Leaves for good; the terminal goes on. Safe to repeat. */
  close(): void {
    if (this.#isOver()) return;
    this.#drop(1000, "detached");
    this.#become({ kind: "closed" });
  }

  #isOver(): boolean {
    return this.#state.kind === "exited" || this.#state.kind === "ended" || this.#state.kind === "closed";
  }

  #become(state: AttachmentState): void {
    this.#state = state;
    this.#options.onState?.(state);
  }

  #connect(): void {
    const { headers, openSocket } = this.#options;
    this.#become({ kind: "connecting", attempt: this.#attempt });
    if (this.#isOver()) return;
    const socket = openSocket(this.#address(), { protocol: TERMINAL_SUBPROTOCOL, headers });
    this.#socket = socket;
    this.#isOpened = false;
    this.#cancelWatch = this.#timing.after(CONNECT_MS, () => this.#fail("the server does not answer"));
    this.#unlisten = listen(socket, {
      opened: () => {
        this.#isOpened = true;
        this.#openedAt = this.#timing.now();
      },
      message: (data) => this.#receive(data),
      textMessage: () => this.#fail("the server sent a text message"),
      closed: (code, reason) => this.#closed(code, reason),
    });
  }

  #address(): string {
    const { url, role, onPresence } = this.#options;
    const from = this.#position.offset;
    const parts = [...(from === null ? [] : [`from=${from}`]), ...(role === undefined ? [] : [`role=${role}`])];
    if (onPresence !== undefined) parts.push("presence=1");
    return `${url}?${[...parts, `input=${this.#name}`].join("&")}`;
  }

  /** Drops the connection; whatever it still sends is ignored. */
  #drop(code: number, reason: string): void {
    this.#cancelRetry();
    this.#cancelWatch();
    this.#cancelDrain?.();
    this.#cancelDrain = null;
    this.#unlisten();
    this.#isReady = false;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(code, reason);
  }

  #receive(data: ArrayBuffer): void {
    this.#heardAt = this.#timing.now();
    let frame: ServerFrame;
    try {
      frame = decodeServerFrame(data);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#fail(`the server sent ${error.message}`);
      return;
    }
    // READY is the first frame of a connection and of none but the first.
    if ((frame.type === "ready") === this.#isReady) this.#fail(`the server sent ${frame.type} out of turn`);
    else this.#handle(frame);
  }

  #handle(frame: ServerFrame): void {
    const on = this.#options;
    switch (frame.type) {
      case "ready":
        this.#begin(frame);
        break;
      case "output":
        this.#output(frame.bytes, frame.offset);
        break;
      case "gap": {
        const from = this.#position.skip(frame.from, frame.to);
        if (from !== null) on.onGap?.(from, frame.to);
        break;
      }
      case "keyframe":
        this.#position.jump(frame.offset);
        on.onKeyframe?.(frame);
        break;
      case "resize":
        on.onResize?.(frame.cols, frame.rows, frame.offset);
        break;
      case "exit":
        on.onExit?.(frame.exit, frame.offset);
        if (this.#isOver()) break;
        this.#drop(1000, "exited");
        this.#become({ kind: "exited", exit: frame.exit });
        break;
      case "event":
        if (frame.event !== null) on.onEvent?.(frame.event, frame.offset);
        break;
      case "inputAck":
        if (!this.#queue.acknowledge(frame.count)) this.#fail("the server acknowledged input that was not sent");
        break;
      case "presence":
        on.onPresence?.(frame.presence);
        break;
      case "notice":
        on.onNotice?.(frame.code, frame.message);
        break;
      case "pong":
        this.#silenceMs = SILENCE_MS;
        if (this.#ping?.nonce === frame.nonce) on.onLatency?.(this.#timing.now() - this.#ping.at);
    }
  }

  #begin(ready: Ready): void {
    const isUnknown = this.#position.begin(ready) === "unknown";
    this.#isReady = true;
    this.#isAcknowledged = ready.input !== undefined;
    const lost = this.#queue.restart(ready.input ?? null);
    this.#become({ kind: "connected" });
    this.#options.onReady?.(ready);
    if (isUnknown) this.#options.onReset?.();
    if (lost > 0) this.#options.onInputLost?.(lost);
    if (this.#size !== null) this.#send(encodeResize(this.#size.cols, this.#size.rows));
    if (this.#appearance !== null) this.#send(encodeAppearance(this.#appearance));
    this.#drain();
    this.#watch();
  }

  #output(bytes: Uint8Array, offset: bigint): void {
    let fresh: ReturnType<Position["receive"]>;
    try {
      fresh = this.#position.receive(bytes, offset);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#fail(error.message);
      return;
    }
    if (fresh !== null) this.#options.onOutput(fresh.bytes, fresh.offset);
  }

  #send(message: Uint8Array<ArrayBuffer>): void {
    if (this.#socket?.readyState === SOCKET_OPEN) this.#socket.send(message);
  }

  #drain(): void {
    if (!this.#isReady || this.#cancelDrain !== null) return;
    while (this.#socket?.readyState === SOCKET_OPEN && this.#socket.bufferedAmount < SOCKET_BUFFER_BYTES) {
      const piece = this.#queue.next();
      if (piece === undefined) return;
      this.#socket.send(encodeInput(piece));
      if (!this.#isAcknowledged) this.#queue.acknowledgeSent();
    }
    // WebSockets have no drain event.
    this.#cancelDrain = this.#timing.after(DRAIN_CHECK_MS, () => {
      this.#cancelDrain = null;
      this.#drain();
    });
  }

  /** Measures the latency, and ends a connection that is only alive in TCP's opinion. */
  #watch(): void {
    this.#cancelWatch();
    if (this.#socket === null) return;
    this.#nonce = (this.#nonce + 1) >>> 0;
    this.#ping = { nonce: this.#nonce, at: this.#timing.now() };
    this.#send(encodePing(this.#nonce));
    this.#cancelWatch = this.#timing.after(PING_EVERY_MS, () => {
      if (this.#timing.now() - this.#heardAt < this.#silenceMs) return this.#watch();
      this.#silenceMs = Math.min(2 * this.#silenceMs, MOST_SILENCE_MS);
      this.#fail("the server does not answer");
    });
  }

  /** Ends this connection for a fault and tries the next one. */
  #fail(reason: string): void {
    // 1002 may not be passed to close() (WHATWG WebSockets, 3.1): an application's own codes begin at 3000.
    this.#drop(4002, "protocol error");
    this.#retry(reason);
  }

  #closed(code: number, reason: string): void {
    this.#drop(1000, "");
    if (code === 4401 && this.#options.awaitsSignIn === true) {
      this.#become({ kind: "signed-out" });
    } else if (code === 4404 || code === 4401) {
      this.#become({ kind: "ended", code, reason: reason || "it is gone", error: null });
    } else if (this.#isOpened) {
      this.#retry(reason || (code === 1012 ? "the server is restarting" : "the connection broke"));
    } else {
      void this.#options
        .diagnose()
        .catch(() => null)
        .then((error) => {
          if (this.#isOver()) return;
          if (error === null) this.#retry("no connection to the server");
          else if (isSignedOut(error) && this.#options.awaitsSignIn === true) this.#become({ kind: "signed-out" });
          else this.#become({ kind: "ended", code, reason: error.message, error });
        });
    }
  }

  #retry(reason: string): void {
    if (this.#isOver()) return;
    if (this.#isOpened && this.#timing.now() - this.#openedAt >= STABLE_MS) this.#attempt = 0;
    const delayMs = backoffMs(this.#attempt, () => this.#timing.random());
    this.#attempt += 1;
    this.#cancelRetry = this.#timing.after(delayMs, () => this.#connect());
    this.#become({ kind: "waiting", attempt: this.#attempt, delayMs, reason });
  }
}

const isSignedOut = (error: Error): boolean => error instanceof PlatformError && error.code === "UNAUTHENTICATED";

function randomName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
