import { setTimeout as delay } from "node:timers/promises";
import type { GuestAgent, GuestTerminal, TerminalEvents, TerminalStream } from "@microterm/core";
import {
  MAX_FRAME_PAYLOAD,
  MAX_UNACKNOWLEDGED,
  PlatformError,
  type TerminalExit,
  type TerminalId,
} from "@microterm/protocol";
import { CLOSE } from "../auth/live-connections.ts";
import type { ClientSocket } from "./client-socket.ts";
import {
  encodeExit,
  encodeGap,
  encodeNotice,
  encodeOutput,
  encodePong,
  encodeReady,
  encodeResized,
  parseClientFrame,
} from "./frames.ts";
import { later, OutputWindow } from "./output-window.ts";
import type { SizeSeat, TerminalSize } from "./terminal-sizes.ts";

/** Held back one frame early, so that the frame under way stays within what the protocol promises. */
const WINDOW = MAX_UNACKNOWLEDGED - MAX_FRAME_PAYLOAD;
/**
 * While input waits for the guest the client is not read, so its acknowledgements stand in line behind that input. A
 * program that echoes a large paste would then wait for itself; so meanwhile the socket's own backpressure counts.
 */
const WINDOW_WHILE_INPUT_WAITS = 8 * 1024 * 1024;
/** Gaps that a client has not acknowledged: they cost no bytes of its window, and a guest may send as many as it likes. */
const MAX_GAPS = 256;
/** How long a broken channel to a living guest is tried again before the client is sent away to come back. */
const REATTACH_DEADLINE_MS = 30_000;
const REATTACH_EVERY_MS = 100;

export interface AttachmentOptions {
  readonly client: ClientSocket;
  readonly terminal: GuestTerminal;
  /** The offset that the client asked for. */
  readonly from: bigint | undefined;
  /** The guest's agent as it is now; rejects when the environment does not run. */
  readonly agent: () => Promise<GuestAgent>;
  readonly size: SizeSeat;
}

/** One stream to the guest, out of as many as a client's connection may need. */
interface Link {
  state: "opening" | "open" | "broken";
}

/** One client looking at a terminal: docs/reference/terminal-protocol.md. */
export class Attachment {
  readonly #client: ClientSocket;
  readonly #terminal: TerminalId;
  readonly #agent: () => Promise<GuestAgent>;
  readonly #size: SizeSeat;
  readonly #window: OutputWindow;
  #stream: TerminalStream | null = null;
  /** Typed while there was no stream. */
  #waiting: Uint8Array[] = [];
  #lastSize: TerminalSize | null = null;
  #isPaused = false;
  #isInputHeld = false;
  #isOver = false;

  constructor({ client, terminal, from, agent, size }: AttachmentOptions) {
    this.#client = client;
    this.#terminal = terminal.id;
    this.#agent = agent;
    this.#size = size;
    const { startOffset: start, endOffset: end } = terminal;
    const isFuture = from !== undefined && from > end;
    const begin = from === undefined || isFuture ? start : from;
    this.#window = new OutputWindow(begin);
    client.receive({
      message: (message) => this.#message(message),
      drained: () => this.#regulate(),
      closed: () => this.#closed(),
    });
    const shown = later(begin, start);
    client.send(encodeReady({ terminal: terminal.id, start, end, from: shown, role: "owner" }));
    if (isFuture) {
      client.send(
        encodeNotice("offset-unknown", `This terminal has not printed ${from} bytes: it is shown from its beginning.`),
      );
    }
    void this.#attach();
  }

  /** Attaches where output was left off, and again after the channel broke, until the guest or the client is gone. */
  async #attach(): Promise<void> {
    const deadline = Date.now() + REATTACH_DEADLINE_MS;
    while (!this.#isOver) {
      const link: Link = { state: "opening" };
      try {
        const agent = await this.#agent();
        const stream = await agent.attach(this.#terminal, { from: this.#window.position, events: this.#events(link) });
        // It may have broken between its opening and this line.
        if (link.state === "opening") return this.#attached(stream, link);
      } catch (error) {
        const farewell = farewellOf(error, Date.now() >= deadline);
        if (farewell !== null) {
          this.#client.close(farewell.code, farewell.reason);
          return;
        }
      }
      await delay(REATTACH_EVERY_MS);
    }
  }

  #attached(stream: TerminalStream, link: Link): void {
    if (this.#isOver) {
      stream.close();
      return;
    }
    link.state = "open";
    this.#stream = stream;
    this.#isPaused = false;
    const size = this.#size.current();
    if (size !== null) stream.resize(size.cols, size.rows);
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#holdInput(false);
    for (const bytes of waiting) this.#write(bytes);
    this.#regulate();
  }

  #events(link: Link): TerminalEvents {
    return {
      output: (offset, bytes) => {
        this.#client.send(encodeOutput(offset, bytes));
        this.#window.sent(bytes.length);
        this.#regulate();
      },
      gap: (from, to) => {
        this.#client.send(encodeGap(from, to));
        this.#window.skipped(to);
        this.#regulate();
      },
      resized: (offset, cols, rows) => this.#resized(offset, { cols, rows }),
      exited: (offset, exit) => this.#exited(offset, exit),
      closed: () => {
        const wasOpen = link.state === "open";
        link.state = "broken";
        if (!wasOpen || this.#isOver) return;
        this.#stream = null;
        void this.#attach();
      },
    };
  }

  #resized(offset: bigint, size: TerminalSize): void {
    const { cols, rows } = size;
    if (this.#lastSize?.cols === cols && this.#lastSize.rows === rows) return;
    this.#lastSize = size;
    this.#client.send(encodeResized(offset, cols, rows));
    this.#regulate();
  }

  #exited(offset: bigint, exit: TerminalExit): void {
    this.#isOver = true;
    this.#client.send(encodeExit(offset, exit));
    this.#client.close(CLOSE.normal, "the program ended");
  }

  /** Reads the guest no faster than the client acknowledges. */
  #regulate(): void {
    if (this.#stream === null) return;
    const window = this.#isInputHeld ? WINDOW_WHILE_INPUT_WAITS : WINDOW;
    const isBehind = this.#window.unacknowledged > window || this.#window.gaps > MAX_GAPS;
    const shouldPause = this.#client.isCongested || isBehind;
    if (shouldPause === this.#isPaused) return;
    this.#isPaused = shouldPause;
    if (shouldPause) this.#stream.pause();
    else this.#stream.resume();
  }

  #message(message: Buffer): void {
    const frame = parseClientFrame(message);
    switch (frame.type) {
      case "input":
        this.#ask(this.#size.typed());
        this.#write(frame.bytes);
        break;
      case "reply":
        if (this.#size.answers()) this.#write(frame.bytes);
        break;
      case "ack":
        if (!this.#window.acknowledge(frame.offset)) throw new Error("ACK of bytes that were not sent");
        this.#regulate();
        break;
      case "resize":
        this.#ask(this.#size.resized(frame));
        break;
      case "ping":
        this.#client.send(encodePong(frame.nonce));
        break;
    }
  }

  #ask(size: TerminalSize | null): void {
    if (size !== null) this.#stream?.resize(size.cols, size.rows);
  }

  #write(bytes: Uint8Array): void {
    const stream = this.#stream;
    if (stream === null) {
      this.#waiting.push(bytes);
      this.#holdInput(true);
      return;
    }
    if (stream.write(bytes) || this.#isInputHeld) return;
    this.#holdInput(true);
    const release = () => {
      if (stream === this.#stream) this.#holdInput(false);
    };
    stream.drained().then(release, release);
  }

  #holdInput(held: boolean): void {
    if (held === this.#isInputHeld) return;
    this.#isInputHeld = held;
    if (held) this.#client.pause();
    else this.#client.resume();
    this.#regulate();
  }

  #closed(): void {
    this.#isOver = true;
    this.#size.leave();
    this.#stream?.close();
    this.#stream = null;
    this.#waiting = [];
  }
}

/** How the client is told; null when trying again may help. */
function farewellOf(error: unknown, isLate: boolean): { readonly code: number; readonly reason: string } | null {
  const code = error instanceof PlatformError ? error.code : "INTERNAL";
  if (code === "ENVIRONMENT_STATE" || code === "ENVIRONMENT_NOT_FOUND") {
    return { code: CLOSE.environmentGone, reason: "the environment is not running" };
  }
  if (code === "TERMINAL_NOT_FOUND") return { code: CLOSE.environmentGone, reason: "the terminal is gone" };
  if (code === "GUEST_UNREACHABLE" && !isLate) return null;
  return { code: CLOSE.serverShutdown, reason: error instanceof Error ? error.message : "the guest does not answer" };
}
