/**
 * Copies cells between rows, as reflow does. xterm.js 6.0 copies the strings of all combined characters behind the first cell, however
 * few cells are copied: another cell of the row they come to gets a string that is not its own.
 */
import { coreOf, type Line, type ScreenTerminal } from "../xterm-internals.ts";

interface Copying extends Line {
  copyCellsFrom(from: Line, fromX: number, toX: number, length: number, isReversed: boolean): void;
}
/** All terminals share the class of their rows. */
const fixed = new WeakSet<object>();

export const fixCopyCells = (terminal: ScreenTerminal): void => {
  const line = coreOf(terminal).buffer.lines.get(0);
  const shape = line === undefined ? null : (Object.getPrototypeOf(line) as Copying);
  if (shape === null || fixed.has(shape)) return;
  fixed.add(shape);
  const copy = shape.copyCellsFrom;
  shape.copyCellsFrom = function (this: Copying, from, fromX, toX, length, isReversed) {
    const own = { ...this._combined };
    const strings = from === this ? own : from._combined;
    const copied = Array.from({ length }, (_, i) => strings[fromX + i]);
    copy.call(this, from, fromX, toX, length, isReversed);
    for (const key of Object.keys(this._combined)) {
      const x = Number(key);
      if (own[x] === undefined) delete this._combined[x];
    }
    Object.assign(this._combined, own);
    for (const [i, chars] of copied.entries()) {
      if (chars === undefined) delete this._combined[toX + i];
      else this._combined[toX + i] = chars;
    }
  };
};
