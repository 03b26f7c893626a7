import { setTimeout as delay } from "node:timers/promises";
import type { GuestAgent, InputEvents, InputStream, TerminalEvents, TerminalStream } from "@microterm/core";
import { PlatformError, type TerminalExit, type TerminalId } from "@microterm/protocol";
import { CLOSE, type CloseReason } from "../../auth/live-connections.ts";
import type { TerminalSize } from "../clients/terminal-sizes.ts";
import {
  ENVIRONMENT_CHECK_MS,
  MAX_EMPTY_STREAMS,
  MAX_REATTACH_DELAY_MS,
  REATTACH_DELAY_MS,
  REATTACH_TIMEOUT_MS,
} from "../hub/flow-limits.ts";
import { GuestInput, type InputDone } from "./guest-input.ts";

/** The first version of the agent's protocol whose input is acknowledged. */
const ACKNOWLEDGES = 3;

export interface GuestReaderOptions {
  readonly terminal: TerminalId;
  /** Tells this terminal from another of the same name in a guest that was restarted. */
  readonly createdUnixMs: number;
  readonly from: bigint;
  /** The guest's agent as it is now; rejects when the environment does not run. */
  readonly agent: () => Promise<GuestAgent>;
  /** The environment's memory is kept, or on its way back: the terminal goes on later. */
  readonly isEnvironmentPaused: () => Promise<boolean>;
  /** Calls whenever the environment has changed, until the answer is called. */
  readonly onChange: (listener: () => void) => () => void;
  readonly events: Omit<TerminalEvents, "closed" | "exited"> & {
    exited(offset: bigint, exit: TerminalExit): void;
    /** There is a stream, for the first time or again. */
    attached(): void;
    /** It can't be read any more. Nothing follows. */
    ended(closeReason: CloseReason): void;
  };
}

interface Link {
  state: "opening" | "open" | "broken" | "left";
}

/** Reads one terminal of a guest without end, over as many streams as it takes, each byte once. */
export class GuestReader {
  readonly #options: GuestReaderOptions;
  #position: bigint;
  #stream: TerminalStream | null = null;
  readonly #input: GuestInput;
  /** Of an agent that takes input with this stream and tells nothing: ends what stands for a stream of input. */
  #endAssumed: () => void = () => {};
  #acknowledges = false;
  /** Streams in a row that ended before they brought anything. */
  #empty = 0;
  #isPaused = false;
  /** The stream in use, or on its way. */
  #link: Link | null = null;
  #isEnvironmentPaused = false;
  #hasAttached = false;
  #isOver = false;

  constructor(options: GuestReaderOptions) {
    this.#options = options;
    this.#position = options.from;
    this.#input = new GuestInput({ open: (events) => this.#openInput(events) });
    void this.#attach();
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Input is dropped meanwhile. */
  get isEnvironmentPaused(): boolean {
    return this.#isEnvironmentPaused;
  }

  /** A paused reader may release its stream: input has one of its own. */
  get canLeave(): boolean {
    return this.#acknowledges;
  }

  /** The caller should wait for {@link drained}. */
  get isInputFull(): boolean {
    return this.#input.isFull;
  }

  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#stream?.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (this.#link?.state === "left") void this.#attach();
    else this.#stream?.resume();
  }

  /**
   * Of a paused reader: releases its stream until it is resumed. The guest holds a program for 5 s for a reader that does not move, and
   * for 30 s without one (docs/reference/agent-protocol.md, The ring).
   */
  leave(): void {
    const stream = this.#stream;
    if (!this.#isPaused || stream === null || this.#link === null || !this.canLeave) return;
    this.#link.state = "left";
    this.#stream = null;
    stream.close();
  }

  /** False: it was not taken, because too much waits already. `done` tells what became of it otherwise. */
  write(bytes: Uint8Array, done: InputDone): boolean {
    return !this.#isOver && !this.#isEnvironmentPaused && this.#input.write(bytes, done);
  }

  /** A client may type soon. */
  prepareInput(): void {
    if (!this.#isOver && !this.#isEnvironmentPaused) this.#input.prepare();
  }

  /** Resolves when the guest takes input again, or never will. */
  drained(): Promise<void> {
    return this.#input.drained();
  }

  resize({ cols, rows }: TerminalSize): void {
    this.#stream?.resize(cols, rows);
  }

  close(): void {
    this.#isOver = true;
    this.#stream?.close();
    this.#stream = null;
    this.#input.close();
  }

  async #openInput(events: InputEvents): Promise<InputStream> {
    const agent = await this.#options.agent();
    this.#acknowledges = agent.hello.protocol >= ACKNOWLEDGES;
    if (this.#acknowledges) {
      await this.#checkIdentity(agent);
      return agent.type(this.#options.terminal, events);
    }
    const stream = this.#stream;
    if (stream === null) throw new PlatformError("GUEST_UNREACHABLE", "the terminal's stream is being opened");
    const { input, end } = assumeTaken(stream, events);
    this.#endAssumed = end;
    return input;
  }

  async #attach(): Promise<void> {
    // An agent that accepts and closes at once, without end, must not keep the server busy.
    const tooMany = this.#empty - MAX_EMPTY_STREAMS;
    if (tooMany >= 0) await delay(Math.min(REATTACH_DELAY_MS * 2 ** tooMany, MAX_REATTACH_DELAY_MS));
    let deadline = Date.now() + REATTACH_TIMEOUT_MS;
    while (!this.#isOver) {
      // From before it is looked at, so that no change is missed.
      const change = Promise.withResolvers<void>();
      const unsubscribe = this.#options.onChange(change.resolve);
      const link: Link = { state: "opening" };
      this.#link = link;
      try {
        const agent = await this.#options.agent();
        this.#acknowledges = agent.hello.protocol >= ACKNOWLEDGES;
        // The first time the creator of this reader has just asked.
        if (this.#hasAttached) await this.#checkIdentity(agent);
        const stream = await agent.attach(this.#options.terminal, { from: this.#position, events: this.#events(link) });
        // It may have broken between its opening and this line.
        if (link.state === "opening") return this.#attached(stream, link);
      } catch (error) {
        const isPaused = isState(error) && (await this.#options.isEnvironmentPaused().catch(() => false));
        const closeReason = isPaused ? null : closeReasonOf(error, Date.now() >= deadline);
        if (closeReason !== null && !this.#isOver) return this.#end(closeReason);
        if (isPaused && !this.#isOver) {
          deadline = Date.now() + REATTACH_TIMEOUT_MS;
          this.#dropInput();
          await Promise.race([change.promise, delay(ENVIRONMENT_CHECK_MS, undefined, { ref: false })]);
          // It may run now: what is typed from here on waits.
          this.#isEnvironmentPaused = false;
          continue;
        }
      } finally {
        unsubscribe();
      }
      await delay(REATTACH_DELAY_MS);
    }
  }

  /** What was typed is stale when the environment goes on, and the client that typed must be read meanwhile. */
  #dropInput(): void {
    this.#isEnvironmentPaused = true;
    this.#input.drop();
  }

  async #checkIdentity(agent: GuestAgent): Promise<void> {
    const { terminal, createdUnixMs } = this.#options;
    const found = (await agent.terminals()).find(({ id }) => id === terminal);
    if (found?.createdUnixMs === createdUnixMs) return;
    throw new PlatformError("TERMINAL_NOT_FOUND", `there is no terminal ${terminal} of then`);
  }

  #attached(stream: TerminalStream, link: Link): void {
    if (this.#isOver) {
      stream.close();
      return;
    }
    link.state = "open";
    this.#hasAttached = true;
    this.#stream = stream;
    if (this.#isPaused) stream.pause();
    // The size first: what was typed may ask for it.
    this.#options.events.attached();
    this.#input.retry();
  }

  #events(link: Link): TerminalEvents {
    const { events } = this.#options;
    return {
      output: (offset, bytes) => {
        this.#empty = 0;
        this.#position = offset + BigInt(bytes.length);
        events.output(offset, bytes);
      },
      gap: (from, to) => {
        this.#position = to;
        events.gap(from, to);
      },
      resized: (offset, cols, rows) => events.resized(offset, cols, rows),
      exited: (offset, exit) => {
        this.#isOver = true;
        this.#input.close();
        events.exited(offset, exit);
      },
      closed: () => {
        if (link.state === "left") return;
        const wasOpen = link.state === "open";
        link.state = "broken";
        if (!wasOpen || this.#isOver) return;
        this.#stream = null;
        this.#endAssumed();
        this.#empty += 1;
        void this.#attach();
      },
    };
  }

  #end(closeReason: CloseReason): void {
    this.close();
    this.#options.events.ended(closeReason);
  }
}

/** Input of an agent that tells nothing of it: what its stream was given counts as taken. */
function assumeTaken(stream: TerminalStream, events: InputEvents): { input: InputStream; end: () => void } {
  let count = 0n;
  let isOver = false;
  queueMicrotask(() => events.acknowledged(0n));
  const input: InputStream = {
    write(bytes) {
      count += BigInt(bytes.length);
      const taken = count;
      queueMicrotask(() => isOver || events.acknowledged(taken));
      return stream.write(bytes);
    },
    drained: () => stream.drained(),
    close() {
      isOver = true;
    },
  };
  const end = (): void => {
    if (isOver) return;
    isOver = true;
    events.closed();
  };
  return { input, end };
}

const isState = (error: unknown): boolean => error instanceof PlatformError && error.code === "ENVIRONMENT_STATE";

/** What the clients are sent; null when trying again may help. */
function closeReasonOf(error: unknown, isLate: boolean): CloseReason | null {
  const code = error instanceof PlatformError ? error.code : "INTERNAL";
  if (code === "ENVIRONMENT_STATE" || code === "ENVIRONMENT_NOT_FOUND") {
    return { code: CLOSE.environmentGone, reason: "the environment is not running" };
  }
  if (code === "TERMINAL_NOT_FOUND") return { code: CLOSE.environmentGone, reason: "the terminal is gone" };
  if (code === "GUEST_UNREACHABLE" && !isLate) return null;
  return { code: CLOSE.serverShutdown, reason: error instanceof Error ? error.message : "the guest does not answer" };
}
