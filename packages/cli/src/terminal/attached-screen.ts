import type { Attachment, AttachmentHandlers, AttachmentState, Exit, Size } from "@microterm/sdk";
import { EXIT, say } from "../failure.ts";
import { terminalNoticeWords } from "../words.ts";
import { DetachKeys } from "./detach-keys.ts";
import { OwnTty } from "./own-tty.ts";
import { QueryFilter } from "./query-filter.ts";

export type AttachEnd =
  | { readonly kind: "detached" }
  | { readonly kind: "exited"; readonly exit: Exit }
  | { readonly kind: "gone"; readonly reason: string; readonly error: Error | null };

/** The first of the detach keys waits this long for the next one before it is passed on: it may be meant for the program. */
const KEY_PAUSE_MS = 400;
/** A shorter break than this is not worth a note. */
const NOTE_AFTER_MS = 1_000;
/** Typing is not read while this much waits for the network. */
const MAX_QUEUED_INPUT = 64 * 1024;
const INPUT_CHECK_MS = 20;

export interface AttachedScreenOptions {
  readonly open: (request: AttachmentHandlers & { readonly size: Size }) => Attachment;
  readonly detachKeys: Uint8Array;
  /** Whether the terminal is another's. */
  readonly isShared: boolean;
}

/** A remote terminal on the person's own, until they leave or it ends. */
export class AttachedScreen {
  readonly #filter: QueryFilter;
  readonly #keys: DetachKeys;
  readonly #tty: OwnTty;
  readonly #done = Promise.withResolvers<AttachEnd>();
  readonly #open: () => Attachment;
  #attachment: Attachment | null = null;
  #keyTimer: NodeJS.Timeout | undefined;
  #noteTimer: NodeJS.Timeout | undefined;
  #isNoted = false;
  readonly #isShared: boolean;

  constructor({ open, detachKeys, isShared }: AttachedScreenOptions) {
    this.#isShared = isShared;
    this.#filter = new QueryFilter({ isShared });
    this.#keys = new DetachKeys(detachKeys);
    this.#tty = new OwnTty({ undo: () => this.#undo(), leave: () => this.#attachment?.close() });
    this.#open = () =>
      open({
        size: ownSize(),
        onOutput: (bytes, offset) => this.#draw(bytes, offset + BigInt(bytes.length)),
        onGap: (from, to) => this.#note(`${to - from} bytes of output were lost`),
        onResize: (cols, rows) => this.#noteSize(cols, rows),
        onKeyframe: ({ bytes, offset, cols, rows }) => {
          // Whatever was drawn goes, with the modes that it left.
          process.stdout.write(`${this.#undoModes()}\x1b[H\x1b[2J`);
          this.#filter.restart();
          this.#draw(bytes, offset);
          this.#noteSize(cols, rows);
        },
        onNotice: (code, message) => this.#note(terminalNoticeWords(code, message)),
        onInputLost: (bytes) => this.#note(`${bytes} bytes typed right before may not have arrived`),
        onState: (state) => this.#changed(state),
      });
  }

  /** Resolves when the terminal is the person's own again. */
  async run(): Promise<AttachEnd> {
    this.#tty.enter();
    // Keeps the person's title: programs set it, and nothing else can put it back.
    process.stdout.write("\x1b[22;0t");
    const resize = () => this.#attachment?.resize(ownSize().cols, ownSize().rows);
    const type = (bytes: Buffer) => this.#type(bytes);
    const hangUp = () => this.#done.resolve({ kind: "detached" });
    process.stdout.on("resize", resize);
    process.stdin.on("data", type).on("end", hangUp);
    try {
      this.#attachment = this.#open();
      return await this.#done.promise;
    } finally {
      clearTimeout(this.#keyTimer);
      clearTimeout(this.#noteTimer);
      this.#attachment?.close();
      process.stdout.off("resize", resize);
      process.stdin.off("data", type).off("end", hangUp);
      process.stdin.pause();
      this.#tty.restore();
    }
  }

  #undo(): string {
    return `${this.#undoModes()}\x1b[23;0t\r\n`;
  }

  #undoModes(): string {
    // CAN ends a sequence that the program has begun and cannot end any more.
    const end = this.#filter.isInsideSequence ? "\x18\x1b\\" : "";
    return `${end}${this.#filter.modes.undo()}`;
  }

  /** `end`: behind the last of them. */
  #draw(bytes: Uint8Array, end: bigint): void {
    process.stdout.write(this.#filter.pass(bytes), () => this.#attachment?.acknowledge(end));
  }

  #type(bytes: Uint8Array): void {
    clearTimeout(this.#keyTimer);
    const { pass, isDetached } = this.#keys.type(bytes);
    this.#send(pass);
    if (isDetached) this.#done.resolve({ kind: "detached" });
    else if (this.#keys.isHolding) this.#keyTimer = setTimeout(() => this.#send(this.#keys.release()), KEY_PAUSE_MS);
  }

  #send(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#attachment?.write(bytes) === false) process.stdout.write("\x07");
    if ((this.#attachment?.queuedInput ?? 0) < MAX_QUEUED_INPUT || this.#attachment?.state.kind !== "connected") return;
    process.stdin.pause();
    const check = setInterval(() => {
      if ((this.#attachment?.queuedInput ?? 0) >= MAX_QUEUED_INPUT && this.#attachment?.state.kind === "connected")
        return;
      clearInterval(check);
      process.stdin.resume();
    }, INPUT_CHECK_MS);
  }

  #changed(state: AttachmentState): void {
    switch (state.kind) {
      case "waiting":
        this.#noteTimer ??= setTimeout(() => {
          this.#isNoted = true;
          this.#note(`${state.reason}; connecting again…`);
        }, NOTE_AFTER_MS);
        break;
      case "connected":
        clearTimeout(this.#noteTimer);
        this.#noteTimer = undefined;
        if (this.#isNoted) this.#reconnected();
        this.#isNoted = false;
        break;
      case "exited":
        this.#done.resolve({ kind: "exited", exit: state.exit });
        break;
      case "ended":
        this.#done.resolve({ kind: "gone", reason: state.reason, error: state.error });
    }
  }

  #reconnected(): void {
    if (!this.#filter.modes.isAlternate) {
      this.#note("connected again");
      return;
    }
    // The note has overwritten a line of a full-screen program; a change of size makes it draw all again.
    const { cols, rows } = ownSize();
    this.#attachment?.resize(cols, Math.max(1, rows - 1));
    setTimeout(() => this.#attachment?.resize(cols, rows), 50);
  }

  /** Of a terminal whose size is another's. */
  #noteSize(cols: number, rows: number): void {
    const own = ownSize();
    if (!this.#isShared || (own.cols >= cols && own.rows >= rows)) return;
    this.#note(`this terminal has ${cols}x${rows} cells, and your window ${own.cols}x${own.rows}: make it larger`);
  }

  /** A line of our own: at the bottom of a full-screen program, below the output elsewhere. */
  #note(text: string): void {
    const line = `\x1b[7m[microterm: ${text}]\x1b[0m`;
    const end = this.#filter.isInsideSequence ? "\x18" : "";
    const isFull = this.#filter.modes.isAlternate;
    process.stdout.write(isFull ? `${end}\x1b7\x1b[999;1H\x1b[2K${line}\x1b8` : `${end}\r\n${line}\r\n`);
  }
}

/** Ends the process: well where the person has left, else as the program has ended. */
export function exitAfter(
  end: Exclude<AttachEnd, { readonly kind: "gone" }>,
  { from, what, again }: { readonly from: string; readonly what: string; readonly again: string },
): never {
  if (end.kind === "detached") {
    say(`Detached from ${from}; it goes on. Come back with: ${again}`);
    process.exit(0);
  }
  say(`The ${what} has ended.`);
  process.exit(end.exit.signal === null ? (end.exit.code ?? 0) : EXIT.signalled + end.exit.signal);
}

function ownSize(): { cols: number; rows: number } {
  return { cols: process.stdout.columns || 80, rows: process.stdout.rows || 24 };
}
