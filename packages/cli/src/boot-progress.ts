import { type Environment, plainText } from "@microterm/protocol";
import type { Client, Subscription } from "@microterm/sdk";
import { STEP_WORDS } from "./words.ts";

/** The step that a boot is at, on one line of a terminal that rewrites itself. Prints nothing elsewhere. */
export class BootProgress {
  readonly #name: string;
  readonly #startedAt = performance.now();
  readonly #subscription: Subscription | null = null;
  readonly #timer: NodeJS.Timeout | null = null;
  #step = "starting";

  constructor(client: Client, environment: Environment) {
    this.#name = environment.name;
    if (!process.stderr.isTTY) return;
    this.#show(environment);
    this.#subscription = client.followEvents({
      onEnvironment: (changed) => {
        if (changed.id === environment.id) this.#show(changed);
      },
      onRemoved: () => {},
    });
    this.#timer = setInterval(() => this.#draw(), 100);
  }

  /** Wipes the line. Safe to repeat. */
  end(): void {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    this.#subscription?.close();
    process.stderr.write("\r\x1b[K");
  }

  #show({ state, operation, step, reason }: Environment): void {
    const words = step === null ? (operation === "pause" ? "saving its memory" : state) : STEP_WORDS[step];
    this.#step = reason === null ? words : `${words} (${plainText(reason)})`;
    this.#draw();
  }

  #draw(): void {
    const seconds = ((performance.now() - this.#startedAt) / 1000).toFixed(1);
    const line = `${this.#name}: ${this.#step} (${seconds} s)`;
    process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`);
  }
}
