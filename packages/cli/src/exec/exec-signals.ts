import type { EventEmitter } from "node:events";
import type { ExecSession } from "@microterm/sdk";

/** Passed on, and meant to end what they reach. */
const ENDING = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;
/** Passed on, and the command's own business. */
const OTHERS = { SIGUSR1: 10, SIGUSR2: 12 } as const;
/** The command's time to end after a signal. A person, or a supervisor, who asks for the end gets it within a second. */
export const PATIENCE_MS = 800;

const CTRL_C = 3;
/** So often in a row, and nothing comes back, not even the terminal's "^C". */
const UNANSWERED = 3;

interface SignalOptions {
  readonly session: Pick<ExecSession, "signal">;
  /** Ends the client, as by this signal; the command is hung up. */
  readonly leave: (signal: number) => void;
  readonly source?: EventEmitter;
}

/**
 * Passes signals on to the command. Whatever server and guest do, the client ends {@link PATIENCE_MS} after the first signal
 * that means an end, and with the second one at once. Returns what undoes it.
 */
export function forwardSignals({ session, leave, source = process }: SignalOptions): () => void {
  let timer: NodeJS.Timeout | undefined;
  const handlers: [string, () => void][] = [];
  for (const [name, number] of Object.entries(OTHERS)) handlers.push([name, () => session.signal(number)]);
  for (const [name, number] of Object.entries(ENDING)) {
    handlers.push([
      name,
      () => {
        if (timer !== undefined) return leave(number);
        timer = setTimeout(() => leave(number), PATIENCE_MS);
        session.signal(number);
      },
    ]);
  }
  for (const [name, handler] of handlers) source.on(name, handler);
  return () => {
    clearTimeout(timer);
    for (const [name, handler] of handlers) source.off(name, handler);
  };
}

/** On a terminal in raw mode Ctrl-C is a key for the command. This detects when the command no longer gets it. */
export class UnansweredInterrupts {
  #isStarted = false;
  #count = 0;

  /** The command has started, or printed something. */
  answered(): void {
    this.#isStarted = true;
    this.#count = 0;
  }

  /** Whether the person wants out: at the first Ctrl-C before the command has started, later at the third unanswered one. */
  typed(bytes: Uint8Array): boolean {
    for (const byte of bytes) this.#count = byte === CTRL_C ? this.#count + 1 : 0;
    return this.#count >= (this.#isStarted ? UNANSWERED : 1);
  }
}
