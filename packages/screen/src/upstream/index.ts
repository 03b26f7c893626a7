/**
 * The one place where faults of xterm.js are worked around, for the page's terminals and the server's models alike: what the two draw
 * must not differ. Each file describes its fault as of 6.0.0; when the version moves, each is to be looked at again.
 */
import { coreOf, type ScreenTerminal } from "../xterm-internals.ts";
import { fixAlternateSize } from "./alternate-size.ts";
import { containFaults, type OnFault } from "./containment.ts";
import { fixCopyCells } from "./copy-cells.ts";
import { fixEraseDisplay } from "./erase-display.ts";
import { keepLinks } from "./links.ts";
import { fixNoWraparound } from "./no-wraparound.ts";
import { fixSavedCursor } from "./saved-cursor.ts";

export interface GuardOptions {
  /** Something was thrown while output was parsed; what was left of that write is not drawn. */
  readonly onFault?: OnFault;
}

const guarded = new WeakSet<object>();

/** Before the terminal is written to. Later callers find it done. */
export const guardTerminal = (terminal: ScreenTerminal, { onFault }: GuardOptions = {}): void => {
  const core = coreOf(terminal);
  if (guarded.has(core)) return;
  guarded.add(core);
  fixEraseDisplay(terminal);
  fixSavedCursor(terminal);
  fixAlternateSize(terminal);
  fixCopyCells(terminal);
  fixNoWraparound(terminal);
  keepLinks(terminal);
  containFaults(terminal, onFault);
};
