/** Bounds what one terminal's output can make xterm.js keep and do, for an emulator that must outlive any program. Links: upstream/links.ts. */
import { MAX_MARKS } from "./capture/row-writer.ts";
import { coreOf, type ScreenTerminal } from "./xterm-internals.ts";

/** UTF-16 units on one cell; a screen carries no more marks than {@link MAX_MARKS}. */
const MAX_CELL = MAX_MARKS * 4;

interface Line {
  readonly _combined: Record<number, string>;
  addCodepointToCell(index: number, codePoint: number, width: number): void;
}
const bounded = new WeakSet<object>();

/** UTF-16 units that one REP prints at most. */
const MAX_REPEATED = 4 * 1024 * 1024;

/** Sequences that xterm.js repeats as often as they say, up to 2^31 times, though all after a screenful changes nothing. */
const boundCounts = (terminal: ScreenTerminal): void => {
  const core = coreOf(terminal);
  const { _parser } = core._inputHandler;
  /** Answers false: xterm.js handles the sequence itself, with the smaller count. */
  const bound = (final: string, most: (count: number) => number): void => {
    _parser.registerCsiHandler({ final }, ({ params }) => {
      const count = params[0] ?? 0;
      if (count > 1) params[0] = Math.min(count, most(count));
      return false;
    });
  };
  for (const final of ["S", "T", "L", "M"]) bound(final, () => terminal.rows);
  for (const final of ["I", "Z"]) bound(final, () => terminal.cols);
  bound("b", (count) => {
    const { lines, x, y, ybase } = core.buffer;
    const width = Math.max(1, (_parser.precedingJoinState >> 1) & 3);
    const length = lines.get(ybase + y)?._combined[x - width]?.length ?? 1;
    // A screenful, and what is left of the last row.
    const perRow = Math.max(1, Math.floor(terminal.cols / width));
    const screenful = perRow * terminal.rows;
    if (count <= screenful) return Math.floor(MAX_REPEATED / length);
    return Math.min(screenful + (count % perRow), Math.floor(MAX_REPEATED / length));
  });
};

export const boundMemory = (terminal: ScreenTerminal): void => {
  const line = coreOf(terminal).buffer.lines.get(0);
  const shape = line === undefined ? null : (Object.getPrototypeOf(line) as Line);
  if (shape !== null && !bounded.has(shape)) {
    bounded.add(shape);
    const add = shape.addCodepointToCell;
    shape.addCodepointToCell = function (this: Line, index, codePoint, width) {
      if ((this._combined[index]?.length ?? 0) > MAX_CELL && width === 0) return;
      add.call(this, index, codePoint, width);
    };
  }
  boundCounts(terminal);
};
