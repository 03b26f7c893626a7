/**
 * Output that waits to be drawn, of which the middle of a flood need not be: plain lines that so many others follow that all of them
 * have left the scrollback by then. Drawing these others alone makes the same screen; the tests compare both, cell by cell.
 */
import { coreOf, isAtGround, type ScreenTerminal } from "./xterm-internals.ts";

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TILDE = 0x7e;
/** Less is drawn as soon as left out. */
const MIN_HIDDEN = 2048;

/** So many pieces behind one are looked at: more would make the work quadratic where they are tiny. */
const MAX_PIECES = 64;

/** A piece of output that waits. */
export interface Waiting {
  readonly bytes: Uint8Array;
  /** Of printable ASCII, CR and LF alone, how many line feeds; null where there is anything else. */
  readonly lineFeeds: number | null;
  /** What is drawn next, with nothing else done in between. */
  readonly next: Waiting | null;
}

/** Links what waits, as far as it is drawn without a break. */
export class Backlog {
  #last: { next: Waiting | null } | null = null;
  /** How many pieces there were so far: what can be left out changes with it alone. */
  pushed = 0;

  push(bytes: Uint8Array): Waiting {
    const waiting = { bytes, lineFeeds: plainLineFeeds(bytes), next: null };
    if (this.#last !== null) this.#last.next = waiting;
    this.#last = waiting;
    this.pushed += 1;
    return waiting;
  }

  /** The screen is looked at or changed here, once all that was pushed is drawn: it has to be exact then. */
  break(): void {
    this.#last = null;
  }
}

/** By byte: 0 where it is not plain, 2 for a line feed, else 1. A table is looked up twice as fast as limits are compared. */
const KIND = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte === LF) return 2;
  return (byte >= SPACE && byte <= TILDE) || byte === CR ? 1 : 0;
});

const plainLineFeeds = (bytes: Uint8Array): number | null => {
  let sum = 0;
  for (let at = 0; at < bytes.length; at++) {
    const kind = KIND[bytes[at] as number] as number;
    if (kind === 0) return null;
    sum += kind;
  }
  return sum - bytes.length;
};

/** Where the last `count` line feeds begin; -1 where there are fewer from `from` on. */
const lastLineFeeds = (bytes: Uint8Array, from: number, count: number): number => {
  let at = bytes.length;
  for (let found = 0; found < count; found++) {
    at = at > from ? bytes.lastIndexOf(LF, at - 1) : -1;
    if (at < from) return -1;
  }
  return at;
};

/** How many line feeds it takes until nothing of the screen and of the rows above it is left: from the last row on each moves it up. */
const rowsOf = (terminal: ScreenTerminal): number => {
  const { buffer, optionsService } = coreOf(terminal);
  return terminal.rows - 1 - buffer.y + terminal.rows + (optionsService.rawOptions.scrollback ?? 0);
};

/** Whether plain text does nothing now but move up the whole screen, row by row. */
const isPlainState = (terminal: ScreenTerminal): boolean => {
  const { buffer, buffers, coreService, optionsService, _inputHandler: handler } = coreOf(terminal);
  return (
    isAtGround(terminal) &&
    buffer === buffers.normal &&
    buffer.scrollTop === 0 &&
    buffer.scrollBottom === terminal.rows - 1 &&
    coreService.decPrivateModes.wraparound &&
    !coreService.modes.insertMode &&
    optionsService.rawOptions.convertEol !== true &&
    // xterm.js counts the rows of an open link.
    handler._curAttrData.extended.urlId === 0
  );
};

/** How much may be left out, and how much has to be drawn behind it before the screen is exact again. */
export interface Hidden {
  readonly bytes: number;
  readonly exactAfter: number;
}

/**
 * What of `waiting` need not be drawn from `at` on, once it was left out by {@link leaveOut}; null: all of it has to be. `isAlone`:
 * whatever is next, so that the screen is exact where this ends.
 */
export const hiddenOf = (terminal: ScreenTerminal, waiting: Waiting, at: number, isAlone: boolean): Hidden | null => {
  const { bytes, lineFeeds } = waiting;
  if (lineFeeds === null || bytes.length - at < MIN_HIDDEN || !isPlainState(terminal)) return null;
  let needed = rowsOf(terminal);
  let after = 0;
  let { next } = isAlone ? { next: null } : waiting;
  for (let pieces = 0; needed > 0 && next !== null && next.lineFeeds !== null && pieces < MAX_PIECES; pieces++) {
    needed -= next.lineFeeds;
    after += next.bytes.length;
    next = next.next;
  }
  if (needed > lineFeeds) return null;
  const end = lastLineFeeds(bytes, at, needed);
  return end - at < MIN_HIDDEN ? null : { bytes: end - at, exactAfter: bytes.length - end + after };
};

/** Whether it is better to see what comes next before this is drawn. */
export const mayHide = (terminal: ScreenTerminal, { bytes, lineFeeds, next }: Waiting): boolean =>
  lineFeeds !== null && next === null && bytes.length >= MIN_HIDDEN && isPlainState(terminal);

/** Moves the cursor to the column that it would have after these plain bytes. */
export const leaveOut = (terminal: ScreenTerminal, bytes: Uint8Array): void => {
  const { buffer, _inputHandler: handler } = coreOf(terminal);
  const { cols } = terminal;
  const lastReturn = bytes.lastIndexOf(CR);
  let x = lastReturn < 0 ? buffer.x : 0;
  for (let at = lastReturn + 1; at < bytes.length; at++) {
    if (bytes[at] !== LF) x++;
    else if (x >= cols) {
      // A line feed after a full row leaves the cursor in the last column.
      x = Math.min(((x - 1) % cols) + 1, cols - 1);
    }
  }
  // A character wraps where the row is full.
  if (x > cols) x = ((x - 1) % cols) + 1;
  buffer.x = x;
  handler._parser.precedingJoinState = 0;
};
