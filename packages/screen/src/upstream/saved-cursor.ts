/**
 * DECSC keeps the row of the screen that the cursor is in. xterm.js 6.0 keeps the row of the whole buffer, of which it takes the number
 * of rows above the screen when the cursor comes back: as long as that grows the cursor comes back higher by each row that scrolled,
 * and once the scrollback is full where it was. What a program sees would depend on how much scrollback there is.
 */
import { coreOf, type ScreenTerminal } from "../xterm-internals.ts";

/** From here on {@link ScreenBuffer.savedY} is a row of the screen. */
export const fixSavedCursor = (terminal: ScreenTerminal): void => {
  const core = coreOf(terminal);
  const { _inputHandler: handler, buffers } = core;
  const save = handler.saveCursor.bind(handler);
  const restore = handler.restoreCursor.bind(handler);
  const softReset = handler.softReset.bind(handler);
  const resize = buffers.resize.bind(buffers);
  handler.saveCursor = (params) => {
    save(params);
    core.buffer.savedY = core.buffer.y;
    return true;
  };
  handler.restoreCursor = (params) => {
    const { buffer } = core;
    const { savedY } = buffer;
    buffer.savedY += buffer.ybase;
    restore(params);
    buffer.savedY = savedY;
    return true;
  };
  handler.softReset = (params) => {
    softReset(params);
    core.buffer.savedY = 0;
    return true;
  };
  buffers.resize = (cols, rows) => {
    const both = [buffers.normal, buffers.alt];
    const saved = both.map(({ savedY }) => savedY);
    resize(cols, rows);
    for (const [i, buffer] of both.entries()) buffer.savedY = Math.min(saved[i] ?? 0, rows - 1);
  };
};
