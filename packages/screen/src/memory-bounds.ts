/** Bounds what one terminal's output can make xterm.js keep, for an emulator that must outlive any program. */
import { MAX_MARKS } from "./row-writer.ts";
import { coreOf, type ScreenTerminal } from "./xterm-internals.ts";

/** UTF-16 units on one cell; a screen carries no more marks than {@link MAX_MARKS}. */
const MAX_CELL = MAX_MARKS * 4;
/** Bytes of an OSC 8 target with its parameters, as in other terminals; and how many of them at a time. */
const MAX_LINK = 4096;
const MAX_LINKS = 10_000;

interface Line {
  readonly _combined: Record<number, string>;
  addCodepointToCell(index: number, codePoint: number, width: number): void;
}
const bounded = new WeakSet<object>();

export const boundMemory = (terminal: ScreenTerminal): void => {
  const core = coreOf(terminal);
  const line = core.buffer.lines.get(0);
  const shape = line === undefined ? null : (Object.getPrototypeOf(line) as Line);
  if (shape !== null && !bounded.has(shape)) {
    bounded.add(shape);
    const add = shape.addCodepointToCell;
    shape.addCodepointToCell = function (this: Line, index, codePoint, width) {
      if ((this._combined[index]?.length ?? 0) > MAX_CELL && width === 0) return;
      add.call(this, index, codePoint, width);
    };
  }
  // True: the sequence is dealt with.
  terminal.parser.registerOscHandler(
    8,
    (data) => data.length > MAX_LINK || (data.length > 1 && core._oscLinkService._dataByLinkId.size >= MAX_LINKS),
  );
};
