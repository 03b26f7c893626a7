import { setTimeout as delay } from "node:timers/promises";
import type { GuestAgent, TerminalEvents, TerminalStream } from "@microterm/core";
import { PlatformError, type TerminalExit, type TerminalId } from "@microterm/protocol";
import { CLOSE } from "../auth/live-connections.ts";
import type { TerminalSize } from "./terminal-sizes.ts";

/** How long a broken channel to a living guest is tried again before the clients are sent away to come back. */
const REATTACH_DEADLINE_MS = 30_000;
const REATTACH_EVERY_MS = 100;
/** An environment that sleeps says when it has changed; this is for what is missed. */
const ASLEEP_EVERY_MS = 3000;
/** Typed while there is no stream; more is lost, as on a line that is cut. */
const MAX_WAITING_INPUT = 1024 * 1024;
/** A terminal takes this at once, and more, whether its program reads or not (N_TTY_BUF_SIZE is 4,096 bytes). */
const TTY_INPUT_BYTES = 2048;
/** What was typed so long before a pause is taken to have been read. */
const TYPED_MS = 10_000;
/** Even a key needs so long to the guest at most. */
const ON_ITS_WAY_MS = 1000;

export interface Farewell {
  readonly code: number;
  readonly reason: string;
}

export interface GuestReaderOptions {
  readonly terminal: TerminalId;
  /** Tells this terminal from another of the same name in a guest that was started anew. */
  readonly createdUnixMs: number;
  readonly from: bigint;
  /** The guest's agent as it is now; rejects when the environment does not run. */
  readonly agent: () => Promise<GuestAgent>;
  /** The environment's memory is kept, or on its way back: the terminal goes on later. */
  readonly isAsleep: () => Promise<boolean>;
  /** Calls whenever the environment has changed, until the answer is called. */
  readonly onChange: (listener: () => void) => () => void;
  readonly events: Omit<TerminalEvents, "closed" | "exited"> & {
    exited(offset: bigint, exit: TerminalExit): void;
    /** There is a stream, for the first time or again. */
    attached(): void;
    /** It can't be read any more. Nothing follows. */
    ended(farewell: Farewell): void;
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
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Bytes that were typed since then: the last seconds, and all the time that it is paused. */
  #typed = 0;
  #typedSince = 0;
  #typedAt = 0;
  #isPaused = false;
  /** The stream in use, or on its way. */
  #link: Link | null = null;
  #isAsleep = false;
  #hasAttached = false;
  #isOver = false;
  #release: (() => void)[] = [];

  constructor(options: GuestReaderOptions) {
    this.#options = options;
    this.#position = options.from;
    void this.#attach();
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** The environment is paused: input is dropped. */
  get isAsleep(): boolean {
    return this.#isAsleep;
  }

  /** So much was typed that some may not have reached the terminal: a stream that is let go takes that along. */
  get hasInput(): boolean {
    return this.#typed > TTY_INPUT_BYTES;
  }

  pause(): void {
    if (this.#isPaused) return;
    this.#forgetTyped(performance.now());
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
   * Of a paused reader: lets its stream go until it is resumed. The guest holds a program for 5 s for a reader that does not move, and
   * for 30 s for nobody (docs/reference/agent-protocol.md, The ring). Not while input is on its way.
   */
  leave(): void {
    const stream = this.#stream;
    if (!this.#isPaused || stream === null || this.#link === null) return;
    if (this.hasInput || performance.now() - this.#typedAt < ON_ITS_WAY_MS) return;
    this.#link.state = "left";
    this.#stream = null;
    stream.close();
  }

  /** False: no more until {@link drained}. */
  write(bytes: Uint8Array): boolean {
    if (this.#isOver || this.#isAsleep) return true;
    const now = performance.now();
    if (!this.#isPaused) this.#forgetTyped(now);
    this.#typed += bytes.length;
    this.#typedAt = now;
    if (this.#stream !== null) return this.#stream.write(bytes);
    // Input is not held back by output: a stream that is still paused takes it.
    if (this.#link?.state === "left") void this.#attach();
    if (this.#waitingBytes + bytes.length <= MAX_WAITING_INPUT) {
      this.#waiting.push(bytes);
      this.#waitingBytes += bytes.length;
    }
    return false;
  }

  /** Resolves when the guest takes input again, or never will. */
  drained(): Promise<void> {
    if (this.#stream !== null) return this.#stream.drained().catch(() => undefined);
    if (this.#isOver) return Promise.resolve();
    return new Promise((resolve) => {
      this.#release.push(resolve);
    });
  }

  resize({ cols, rows }: TerminalSize): void {
    this.#stream?.resize(cols, rows);
  }

  close(): void {
    this.#isOver = true;
    this.#stream?.close();
    this.#stream = null;
    this.#waiting = [];
    this.#letGo();
  }

  async #attach(): Promise<void> {
    let deadline = Date.now() + REATTACH_DEADLINE_MS;
    while (!this.#isOver) {
      // From before it is looked at, so that no change is missed.
      const change = Promise.withResolvers<void>();
      const unsubscribe = this.#options.onChange(change.resolve);
      const link: Link = { state: "opening" };
      this.#link = link;
      try {
        const agent = await this.#options.agent();
        // The first time whoever made the reader has just asked.
        if (this.#hasAttached) await this.#checkIdentity(agent);
        const stream = await agent.attach(this.#options.terminal, { from: this.#position, events: this.#events(link) });
        // It may have broken between its opening and this line.
        if (link.state === "opening") return this.#attached(stream, link);
      } catch (error) {
        const isAsleep = isState(error) && (await this.#options.isAsleep().catch(() => false));
        const farewell = isAsleep ? null : farewellOf(error, Date.now() >= deadline);
        if (farewell !== null && !this.#isOver) return this.#end(farewell);
        if (isAsleep && !this.#isOver) {
          deadline = Date.now() + REATTACH_DEADLINE_MS;
          this.#fallAsleep();
          await Promise.race([change.promise, delay(ASLEEP_EVERY_MS, undefined, { ref: false })]);
          // It may run now: what is typed from here on waits.
          this.#isAsleep = false;
          continue;
        }
      } finally {
        unsubscribe();
      }
      await delay(REATTACH_EVERY_MS);
    }
  }

  #forgetTyped(now: number): void {
    if (now - this.#typedSince < TYPED_MS) return;
    this.#typed = 0;
    this.#typedSince = now;
  }

  /** What was typed is stale when the environment goes on, and whoever typed must be read meanwhile. */
  #fallAsleep(): void {
    this.#isAsleep = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#letGo();
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
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const bytes of waiting) stream.write(bytes);
    this.#letGo();
  }

  #events(link: Link): TerminalEvents {
    const { events } = this.#options;
    return {
      output: (offset, bytes) => {
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
        events.exited(offset, exit);
      },
      closed: () => {
        if (link.state === "left") return;
        const wasOpen = link.state === "open";
        link.state = "broken";
        if (!wasOpen || this.#isOver) return;
        this.#stream = null;
        void this.#attach();
      },
    };
  }

  #end(farewell: Farewell): void {
    this.close();
    this.#options.events.ended(farewell);
  }

  #letGo(): void {
    for (const release of this.#release.splice(0)) release();
  }
}

const isState = (error: unknown): boolean => error instanceof PlatformError && error.code === "ENVIRONMENT_STATE";

/** How the clients are told; null when trying again may help. */
function farewellOf(error: unknown, isLate: boolean): Farewell | null {
  const code = error instanceof PlatformError ? error.code : "INTERNAL";
  if (code === "ENVIRONMENT_STATE" || code === "ENVIRONMENT_NOT_FOUND") {
    return { code: CLOSE.environmentGone, reason: "the environment is not running" };
  }
  if (code === "TERMINAL_NOT_FOUND") return { code: CLOSE.environmentGone, reason: "the terminal is gone" };
  if (code === "GUEST_UNREACHABLE" && !isLate) return null;
  return { code: CLOSE.serverShutdown, reason: error instanceof Error ? error.message : "the guest does not answer" };
}
