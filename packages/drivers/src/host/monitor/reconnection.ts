import { pause, systemCode } from "@microterm/host";
import type { EndReport } from "./end-report.ts";

/** Between two attempts to reach a monitor that hung up though its VMM may live, ms. */
const RETRY_MS = 100;
const MAX_RETRY_MS = 5000;

export interface ReconnectionOptions {
  readonly report: EndReport;
  readonly isAlive: () => Promise<boolean>;
  readonly connect: () => Promise<void>;
  /** Called when the VMM is dead. */
  readonly died: () => Promise<void>;
  /** Whether nobody at the socket means that the VMM is dead, whatever the daemon says; else only where it cannot say. */
  readonly isRefusalDeath: boolean;
}

/** Connects again to a VMM that hung up, which none does while it lives, unless its guest has taken it over. */
export class Reconnection {
  readonly #options: ReconnectionOptions;
  /** Until the next attempt; longer for a VMM that hangs up again and again. */
  #retryMs = RETRY_MS;
  #connectedAt = 0;

  constructor(options: ReconnectionOptions) {
    this.#options = options;
  }

  connected(): void {
    this.#connectedAt = performance.now();
  }

  /** Resolves when there is a connection again, or when the machine is over. */
  async begin(): Promise<void> {
    const { report, isAlive, connect, died, isRefusalDeath } = this.#options;
    const lasted = performance.now() - this.#connectedAt;
    if (lasted > MAX_RETRY_MS) this.#retryMs = RETRY_MS;
    for (let isFirst = lasted > MAX_RETRY_MS; !report.isOver; isFirst = false) {
      const alive = await isAlive().catch(() => undefined);
      if (report.isOver) return;
      if (alive === false) return await died();
      if (!isFirst) {
        await pause(this.#retryMs, report.signal).catch(() => {});
        this.#retryMs = Math.min(2 * this.#retryMs, MAX_RETRY_MS);
      }
      try {
        return await connect();
      } catch (error) {
        const isRefused = systemCode(error) === "ECONNREFUSED";
        if (isRefused && (isRefusalDeath || alive === undefined)) return await died();
      }
    }
  }
}
