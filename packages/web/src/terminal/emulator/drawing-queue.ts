/**
 * Hands what is to be drawn to xterm.js piece by piece, so that between two turns of the event loop hardly anything is
 * written but not parsed: a screen can be taken at any moment, also in the middle of a flood when the page is left.
 */
import type { Terminal } from "@xterm/xterm";
import { parseWritten } from "./xterm-private.ts";

/** Half of what xterm.js itself takes at a time (12 ms), so that it never puts a rest of ours off. */
const TURN_MS = 6;

/** Writes something, and calls `parsed` from the last write's callback. */
type Task = (parsed: () => void) => void;

export interface DrawingQueue {
  /** `isSingle`: the task writes once, so that it can be finished at once. */
  push(task: Task, isSingle: boolean): void;
  /** Parses what is written. False while that is not possible: the screen is between two states. */
  settle(): boolean;
  dispose(): void;
}

export const createDrawingQueue = (terminal: Terminal): DrawingQueue => {
  const waiting: { readonly task: Task; readonly isSingle: boolean }[] = [];
  let running: { readonly isSingle: boolean } | null = null;
  let isSettling = false;
  let turnStart = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const next = (): void => {
    const entry = waiting.shift();
    if (entry === undefined) return;
    running = entry;
    entry.task(() => {
      running = null;
      if (waiting.length === 0) return;
      // Written from within the callback, it is parsed in the same turn.
      if (!isSettling && performance.now() - turnStart < TURN_MS) next();
      else schedule();
    });
  };
  const begin = (): void => {
    turnStart = performance.now();
    if (running === null) next();
  };
  const schedule = (): void => {
    clearTimeout(timer);
    timer = setTimeout(begin);
  };

  return {
    push(task, isSingle) {
      waiting.push({ task, isSingle });
      if (running === null && waiting.length === 1) begin();
    },
    settle() {
      if (running === null) return true;
      if (!running.isSingle) return false;
      isSettling = true;
      parseWritten(terminal);
      isSettling = false;
      return running === null;
    },
    dispose() {
      clearTimeout(timer);
      waiting.length = 0;
    },
  };
};
