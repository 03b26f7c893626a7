/**
 * Draws runs of printable ASCII, most of what programs print, without xterm.js's work per character (properties, joins, links, events):
 * a third of the worker's time in a flood, which this halves. Everything else is xterm.js's own; the tests compare both, cell by cell.
 */
import { coreOf, type ScreenTerminal } from "./xterm-internals.ts";

/** Of a cell's content: the width's place. Of a background: underline styles or a link come with it. Both as in xterm.js's Constants.ts. */
const WIDTH_SHIFT = 22;
const HAS_EXTENDED = 0x10000000;
/** Shorter runs cost as much either way. */
const MIN_RUN = 4;
const SPACE = 0x20;
const TILDE = 0x7e;

/** `terminal` must have the addon for graphemes, by whose rules ASCII after plain ASCII never joins. */
export const drawPlainRuns = (terminal: ScreenTerminal): void => {
  const core = coreOf(terminal);
  const { _inputHandler: handler, _charsetService: charsets, coreService, optionsService, unicodeService } = core;
  const { _parser: parser, _dirtyRowTracker: dirty } = handler;
  const print = handler.print.bind(handler);

  /** How many characters from `start` on are drawn here, all in the cursor's row; 0: they are xterm.js's. */
  const run = (data: Uint32Array, start: number, end: number): number => {
    const { buffer } = core;
    const { fg, bg, extended } = handler._curAttrData;
    // DECRC may bring back a background without the mark while a link is open, whose rows xterm.js counts.
    if ((bg & HAS_EXTENDED) !== 0 || extended.urlId !== 0) return 0;
    const last = Math.min(end, start + terminal.cols - buffer.x);
    let at = start;
    while (at < last) {
      const code = data[at] as number;
      if (code < SPACE || code > TILDE) break;
      at++;
    }
    const count = at - start;
    if (count < MIN_RUN) return 0;
    const state = unicodeService.charProperties(data[start] as number, parser.precedingJoinState);
    // Joined to what is before it (bit 0), or still in a state that the next one could join to (bit 3 on).
    if ((state & 1) !== 0 || state >> 3 !== 0) return 0;
    const line = buffer.lines.get(buffer.ybase + buffer.y);
    if (line === undefined) return 0;
    const { _data: cells } = line;
    const width = (x: number): number => (cells[x * 3] as number) >>> WIDTH_SHIFT;
    const blank = (x: number): void => {
      cells[x * 3] = 1 << WIDTH_SHIFT;
      cells[x * 3 + 1] = fg;
      cells[x * 3 + 2] = bg;
    };
    // The left half of a wide character whose right half is overwritten.
    if (buffer.x > 0 && width(buffer.x - 1) === 2) blank(buffer.x - 1);
    let cell = buffer.x * 3;
    for (let from = start; from < at; from++) {
      cells[cell++] = (data[from] as number) | (1 << WIDTH_SHIFT);
      cells[cell++] = fg;
      cells[cell++] = bg;
    }
    buffer.x += count;
    parser.precedingJoinState = state;
    // The right half of a wide character whose left half was overwritten.
    if (buffer.x < terminal.cols && cells[buffer.x * 3] === 0) blank(buffer.x);
    dirty.markDirty(buffer.y);
    return count;
  };

  const isPlainNext = (code: number): boolean => code >= SPACE && code <= TILDE && parser.precedingJoinState >> 3 === 0;

  handler.print = (data, start, end) => {
    const isPlain =
      charsets.charset === undefined &&
      !coreService.modes.insertMode &&
      optionsService.rawOptions.screenReaderMode !== true;
    let at = start;
    while (isPlain && at < end) {
      // A full row: its next character wraps, which is xterm.js's. One that may join is not parted from what follows: xterm.js looks
      // for halves of wide characters where a call begins.
      const isFull = core.buffer.x === terminal.cols && isPlainNext(data[at] as number);
      const count = isFull ? 1 : run(data, at, end);
      if (count === 0) break;
      if (isFull) print(data, at, at + 1);
      at += count;
    }
    if (at < end) print(data, at, end);
  };
};
