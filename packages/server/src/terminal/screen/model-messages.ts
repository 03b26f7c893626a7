import type { Appearance, TerminalEvent } from "@microterm/protocol";
import type { Screen } from "@microterm/screen";

/** Places in memory that both share: the key of the model that the worker is at (0 between two), and how many steps it has taken. */
export const WORKER_NOW = { busy: 0, steps: 1 } as const;

/** How much of a screen: all; `shared`: without title and working directory; `visible`: without the rows above it, too. */
export type ScreenPart = "whole" | "shared" | "visible";

/** What the server and the worker with the screen models say to each other. Offsets are of the terminal's output. */
export type ToWorker =
  | {
      readonly kind: "open";
      readonly key: number;
      /** Where the screen is kept. */
      readonly path: string;
      /** Tells this terminal from another of its name. */
      readonly createdUnixMs: number;
      /** What the guest still has: an older kept screen can't be continued. */
      readonly start: bigint;
      readonly end: bigint;
      /** Until the output tells its own; a kept screen has its own as well. */
      readonly cols: number;
      readonly rows: number;
      readonly scrollback: number;
      /** Begins at `end` with a blank screen, whatever is kept. */
      readonly isBlank: boolean;
      /** Bytes before it were answered and reported when they were new. */
      readonly liveFrom: bigint;
    }
  /** The first `length` bytes of a buffer that comes back with `parsed`. */
  | {
      readonly kind: "output";
      readonly key: number;
      readonly end: bigint;
      readonly buffer: ArrayBuffer;
      readonly length: number;
    }
  | { readonly kind: "resized"; readonly key: number; readonly cols: number; readonly rows: number }
  | { readonly kind: "gap"; readonly key: number; readonly end: bigint }
  | { readonly kind: "appearance"; readonly key: number; readonly appearance: Appearance }
  | { readonly kind: "capture"; readonly key: number; readonly id: number; readonly part: ScreenPart }
  | { readonly kind: "close"; readonly key: number; readonly isKept: boolean }
  | { readonly kind: "stop" };

export type FromWorker =
  /** `from` is where output is wanted from; `isFresh`: nothing that was kept could be used, though there was something. */
  | {
      readonly kind: "opened";
      readonly key: number;
      readonly from: bigint;
      /** Of the kept screen, where it could be used. */
      readonly size: { readonly cols: number; readonly rows: number } | null;
      readonly isFresh: boolean;
      readonly title: string;
      readonly cwd: string | null;
    }
  /** One of the messages `output`, `resized` and `gap` was dealt with, in their order. */
  | { readonly kind: "parsed"; readonly key: number; readonly buffer: ArrayBuffer | null }
  | {
      readonly kind: "events";
      readonly key: number;
      readonly offset: bigint;
      readonly events: readonly TerminalEvent[];
    }
  | { readonly kind: "reply"; readonly key: number; readonly text: string }
  | {
      readonly kind: "screen";
      readonly key: number;
      readonly id: number;
      readonly offset: bigint;
      readonly screen: Screen;
    }
  /** A screen with all output up to `offset` was written to its path. */
  | { readonly kind: "kept"; readonly path: string; readonly createdUnixMs: number; readonly offset: bigint }
  /** Something was thrown over this terminal's output (0: it is unknown whose) and cost what `lost` says. */
  | { readonly kind: "fault"; readonly key: number; readonly lost: "write" | "screen"; readonly text: string }
  /** It writes nothing any more. */
  | { readonly kind: "closed"; readonly key: number }
  | { readonly kind: "stopped" };
