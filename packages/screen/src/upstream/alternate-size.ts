/**
 * The alternate screen has as many rows and columns as the terminal. xterm.js 6.0 lets it keep what is beyond the right edge when it
 * shrinks, from where deleting characters brings it back; and one that was not in use when the terminal lost rows keeps the larger
 * number, so that it scrolls like a screen with scrollback, and its rows are looked for where they are not.
 */
import { coreOf, type ScreenTerminal } from "../xterm-internals.ts";

export const fixAlternateSize = (terminal: ScreenTerminal): void => {
  const core = coreOf(terminal);
  const { buffers } = core;
  const resize = buffers.resize.bind(buffers);
  buffers.resize = (cols, rows) => {
    resize(cols, rows);
    const { alt } = buffers;
    const { lines } = alt;
    if (lines.length === 0) lines.maxLength = rows;
    const none = alt.getNullCell();
    for (let y = 0; y < lines.length; y++) lines.get(y)?.resize(cols, none);
    // As much as what DECSC keeps.
    for (const buffer of [buffers.normal, alt]) buffer.savedX = Math.min(buffer.savedX, cols - 1);
  };
};
