import cliProgress from "cli-progress";
import { formatBytes } from "../sizes.ts";

/** A copy that is done before this needs no progress. */
const SHOW_AFTER_MS = 1_000;

/** How far a copy is, on a terminal's stderr and only when it takes a while. */
export class CopyProgress {
  readonly #label: string;
  readonly #total: number | null;
  readonly #timer: NodeJS.Timeout | null;
  #bar: cliProgress.SingleBar | null = null;
  #bytes = 0;

  /** `total`: bytes, where they are known. */
  constructor(label: string, total: number | null) {
    this.#label = label;
    this.#total = total;
    this.#timer = process.stderr.isTTY ? setTimeout(() => this.#show(), SHOW_AFTER_MS) : null;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    this.#bar?.update(this.#bytes, { done: formatBytes(this.#bytes) });
  }

  end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#bar?.stop();
    this.#bar = null;
  }

  #show(): void {
    const total = this.#total === null ? "" : ` of ${formatBytes(this.#total)}`;
    const bar = this.#total === null ? "" : "{bar} {percentage}% ";
    this.#bar = new cliProgress.SingleBar({
      format: `${this.#label.replace(/[{}]/g, "")} ${bar}{done}${total}`,
      stream: process.stderr,
      barsize: 24,
      barCompleteChar: "=",
      barIncompleteChar: " ",
      clearOnComplete: true,
      fps: 5,
      // A kill in the middle would leave the person without a cursor.
      hideCursor: false,
    });
    this.#bar.start(this.#total ?? 0, this.#bytes, { done: formatBytes(this.#bytes) });
  }
}
