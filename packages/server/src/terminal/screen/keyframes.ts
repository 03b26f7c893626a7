import { serverFrames } from "../clients/frames.ts";
import { SHARED_KEYFRAME_BEHIND_BYTES } from "../hub/flow-limits.ts";
import type { OutputLog } from "../hub/output-log.ts";
import type { ModelFeed } from "./model-feed.ts";
import type { ScreenPart } from "./model-messages.ts";

export interface Keyframe {
  readonly frame: Buffer;
  readonly offset: bigint;
  /** The first item of the log that it lacks. */
  readonly item: number;
  readonly cols: number;
  readonly rows: number;
}

/** A terminal's keyframes of one part of its screen: many that ask get the same. */
export class Keyframes {
  readonly #feed: ModelFeed;
  readonly #log: OutputLog;
  readonly #part: ScreenPart;
  /** One was made, and is kept until {@link forget}. */
  readonly #made: () => void;
  #pending: Promise<Keyframe> | null = null;
  #latest: Keyframe | null = null;

  constructor(feed: ModelFeed, log: OutputLog, options: { readonly part: ScreenPart; readonly made: () => void }) {
    this.#feed = feed;
    this.#log = log;
    this.#part = options.part;
    this.#made = options.made;
  }

  /** The screen with all output up to `offset` at least. */
  take(offset: bigint): Promise<Keyframe> {
    const latest = this.#latest;
    if (latest !== null && latest.offset >= offset && this.#isCurrent(latest)) return Promise.resolve(latest);
    this.#pending ??= this.#capture(offset).finally(() => {
      this.#pending = null;
    });
    return this.#pending;
  }

  forget(): void {
    this.#latest = null;
  }

  /** Hundreds of viewers who fell behind are shown one that is a little older, and the rest as output. */
  #isCurrent({ item, offset }: Keyframe): boolean {
    if (item < this.#log.first) return false;
    if (offset === this.#log.end) return true;
    return this.#part !== "whole" && this.#log.costSince(item) <= SHARED_KEYFRAME_BEHIND_BYTES;
  }

  async #capture(least: bigint): Promise<Keyframe> {
    const { offset, item, screen } = await this.#feed.capture(least, this.#part);
    const { cols, rows, state: modes, content: bytes } = screen;
    this.#made();
    this.#latest = { frame: serverFrames.keyframe({ offset, cols, rows, modes, bytes }), offset, item, cols, rows };
    return this.#latest;
  }
}
