/**
 * ED 1 (`CSI 1 J`) with the cursor in the last column. xterm.js 6.0 then clears the wrap mark of row `y + 1` of the whole buffer instead
 * of the screen's: a row of the scrollback where there is one, and on the last row of a fresh screen none, so that it throws.
 */
import { coreOf, type ScreenTerminal } from "../xterm-internals.ts";

export const fixEraseDisplay = (terminal: ScreenTerminal): void => {
  const core = coreOf(terminal);
  const { _inputHandler: handler } = core;
  const erase = handler.eraseInDisplay.bind(handler);
  handler.eraseInDisplay = (params, respectProtect = false) => {
    const { buffer } = core;
    if (params.params[0] !== 1 || buffer.x + 1 < terminal.cols) return erase(params, respectProtect);
    handler._restrictCursor(terminal.cols);
    const { y } = buffer;
    handler._eraseInBufferLine(y, 0, buffer.x + 1, true, respectProtect);
    const next = y + 1 < terminal.rows ? buffer.lines.get(buffer.ybase + y + 1) : undefined;
    if (next !== undefined) next.isWrapped = false;
    for (let row = y - 1; row >= 0; row--) handler._resetBufferLine(row, respectProtect);
    handler._dirtyRowTracker.markDirty(y);
    handler._dirtyRowTracker.markDirty(0);
    return true;
  };
};
