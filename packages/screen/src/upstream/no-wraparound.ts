/**
 * With wraparound off (DECRST 7), what xterm.js 6.0 draws at the right edge depends on how many characters came in one write: it looks
 * for halves of wide characters only where a write's text begins and ends. One at a time they are the same however they came.
 */
import { coreOf, type ScreenTerminal } from "../xterm-internals.ts";

export const fixNoWraparound = (terminal: ScreenTerminal): void => {
  const { _inputHandler: handler, coreService } = coreOf(terminal);
  const print = handler.print.bind(handler);
  handler.print = (data, start, end) => {
    if (coreService.decPrivateModes.wraparound) return print(data, start, end);
    for (let at = start; at < end; at++) print(data, at, at + 1);
  };
};
