import { serverFrames } from "../clients/frames.ts";
import type { OutputLog } from "../hub/output-log.ts";
import type { ModelFeed } from "./model-feed.ts";

export interface Keyframe {
  readonly frame: Buffer;
  readonly offset: bigint;
  /** The first item of the log that it lacks. */
  readonly item: number;
  readonly cols: number;
  readonly rows: number;
}

/** A terminal's keyframes: many that ask get the same. */
export class Keyframes {
  readonly #feed: ModelFeed;
  readonly #log: OutputLog;
  /** One was made, and is kept until {@link forget}. */
  readonly #made: () => void;
  #pending: Promise<Keyframe> | null = null;
  #latest: Keyframe | null = null;

  constructor(feed: ModelFeed, log: OutputLog, made: () => void) {
    this.#feed = feed;
    this.#log = log;
    this.#made = made;
  }

  /** The screen with all output up to `offset` at least. */
  take(offset: bigint): Promise<Keyframe> {
    const latest = this.#latest;
    const isCurrent = latest !== null && latest.offset === this.#log.end && latest.item >= this.#log.first;
    if (isCurrent && latest.offset >= offset) return Promise.resolve(latest);
    this.#pending ??= this.#capture(offset).finally(() => {
      this.#pending = null;
    });
    return this.#pending;
  }

  forget(): void {
    this.#latest = null;
  }

  async #capture(least: bigint): Promise<Keyframe> {
    const { offset, item, screen } = await this.#feed.capture(least);
    const { cols, rows, state: modes, content: bytes } = screen;
    this.#made();
    this.#latest = { frame: serverFrames.keyframe({ offset, cols, rows, modes, bytes }), offset, item, cols, rows };
    return this.#latest;
  }
}
