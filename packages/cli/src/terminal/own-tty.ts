import { spawnSync } from "node:child_process";
import { writeSync } from "node:fs";
import { EXIT } from "../failure.ts";

const LEAVING_SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;

/**
 * The person's own terminal while a remote program has it: raw, and put right on every way out: `restore`, a signal, an
 * exception, the end of the process.
 */
export class OwnTty {
  readonly #undo: () => string;
  readonly #onSignal: (code: number) => void;
  readonly #handlers: [string, (error: unknown) => void][] = [];
  #isRaw = false;

  /** `undo`: what puts the screen right; `leave`: what else to do before a signal ends the process. */
  constructor(options: { readonly undo: () => string; readonly leave?: () => void }) {
    this.#undo = options.undo;
    this.#onSignal = (number) => {
      this.restore();
      options.leave?.();
      process.exit(EXIT.signalled + number);
    };
  }

  enter(): void {
    makeRaw();
    this.#isRaw = true;
    for (const [name, number] of Object.entries(LEAVING_SIGNALS)) this.#on(name, () => this.#onSignal(number));
    this.#on("exit", () => this.restore());
    this.#on("uncaughtExceptionMonitor", () => this.restore());
    // Stopped from outside (Ctrl-Z itself goes to the remote program): the shell gets a sane terminal back.
    this.#on("SIGTSTP", () => {
      process.stdin.setRawMode(false);
      process.kill(process.pid, "SIGSTOP");
    });
    this.#on("SIGCONT", () => {
      if (this.#isRaw) makeRaw();
    });
    // A terminal that has gone away takes the process with it.
    process.stdout.on("error", () => this.#onSignal(LEAVING_SIGNALS.SIGHUP));
  }

  /** Safe to repeat. Synchronous, for the handlers of a process that ends. */
  restore(): void {
    if (!this.#isRaw) return;
    this.#isRaw = false;
    try {
      process.stdin.setRawMode(false);
      writeFullySync(this.#undo());
    } catch {
      // The terminal is gone; there is nothing to put right.
    }
    for (const [name, handler] of this.#handlers.splice(0)) process.off(name, handler);
  }

  #on(name: string, handler: (error: unknown) => void): void {
    this.#handlers.push([name, handler]);
    process.on(name, handler);
  }
}

/** Node's raw mode goes on writing CR LF for LF (libuv's uv_tty_set_mode keeps ONLCR), which the remote terminal has done already. */
function makeRaw(): void {
  process.stdin.setRawMode(true);
  spawnSync("stty", ["-opost"], { stdio: ["inherit", "ignore", "ignore"] });
}

/** Then a terminal that takes nothing is left as it is: a user who asked for the end gets it within a second. */
const MAX_WAITS = 100;
const WAIT_MS = 5;

/** A terminal that is slow answers EAGAIN where its descriptor does not block. */
function writeFullySync(text: string): void {
  let rest = Buffer.from(text);
  for (let attempt = 0; rest.length > 0 && attempt < MAX_WAITS; attempt += 1) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT_MS);
    }
  }
}
