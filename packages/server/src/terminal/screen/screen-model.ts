import type { Appearance } from "@microterm/protocol";
import type { Screen } from "@microterm/screen";
import type { FromWorker, ScreenPart, ToWorker } from "./model-messages.ts";
import type { Step } from "./model-turns.ts";

/** What a model is made for: a terminal, what the guest still has of its output, and where its screen is kept. */
export type ScreenRequest = Extract<ToWorker, { kind: "open" }>;

/** What a model has of the worker that it is in. */
export interface ScreenContext {
  /** `opened` as the model is made; then `events` and `reply`, for output behind the request's `liveFrom`. */
  send(message: FromWorker): void;
  /** Output has paused: there may be memory to be had back. */
  rested(): void;
  /** Runs what the model does by itself when it is its turn. */
  later(work: () => void): void;
  /** Something was thrown while output was parsed, and cost the rest of that write. */
  fault(error: unknown): void;
}

/**
 * The screen of one terminal, drawn by some emulator in the worker. It goes on from the screen that was kept for the terminal, where that
 * can be continued; it keeps its screen on disk from time to time; it answers what programs ask, and reports what their output tells
 * besides what it draws. What its methods throw costs it its screen: the worker calls {@link reset}.
 */
export interface ScreenModel {
  /** Where the screen is kept. */
  readonly path: string;
  /** In memory, of both screens: what counts against the budget that all models share. */
  readonly cells: number;
  /** Draws output that ends at `end`, a piece with each step; other models have their turn in between. */
  output(end: bigint, bytes: Uint8Array): Iterator<Step>;
  /** Output that has come may be drawn together, and in part not at all. What is done next is done to the exact screen of all of it. */
  endBacklog(): void;
  resized(cols: number, rows: number): void;
  /** Output up to `end` is missing. */
  gap(end: bigint): void;
  /** The colours that programs are told of. */
  setAppearance(appearance: Appearance): void;
  capture(part: ScreenPart): { readonly offset: bigint; readonly screen: Screen };
  /** Takes no memory for cells until there is output again. */
  freeze(): void;
  /** Goes on with a blank screen: what was drawn cannot be worked with. */
  reset(): void;
  /** Keeps its screen, or removes the one that was kept. Nothing is written after that. */
  close(isKept: boolean): void;
}

export type CreateScreenModel = (request: ScreenRequest, context: ScreenContext) => ScreenModel;
