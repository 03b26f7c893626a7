/**
 * The state of a terminal that addon-serialize 0.14 drops: scroll region, tab stops, saved cursors, character sets,
 * mouse encoding, cursor shape and visibility; and origin mode, whose sequence it writes after the cursor (which homes
 * it). Underline styles and colours and OSC 8 targets stay lost until the server sends keyframes.
 */
import type { Terminal } from "@xterm/xterm";
import { charsetFinal, coreOf, sgrOf } from "./xterm-internals.ts";

const TAB = 8;
type Buffer = ReturnType<typeof coreOf>["buffer"];

const moveTo = (y: number, x: number): string => `\x1b[${y + 1};${x + 1}H`;

const tabStops = (buffer: Buffer, cols: number): string => {
  const columns = Array.from({ length: cols }, (_, x) => x);
  const isDefault = columns.every((x) => (buffer.tabs[x] === true) === (x % TAB === 0));
  if (isDefault) return "";
  return `\x1b[3g${columns
    .filter((x) => buffer.tabs[x])
    .map((x) => `\x1b[${x + 1}G\x1bH`)
    .join("")}`;
};

/** Tab stops, saved cursor and scroll region of a buffer. Leaves the cursor anywhere and the attributes at anything. */
export const bufferSequences = (buffer: Buffer, size: { readonly cols: number; readonly rows: number }): string => {
  let out = tabStops(buffer, size.cols);
  if (buffer.savedX !== 0 || buffer.savedY !== 0) {
    const row = Math.min(Math.max(buffer.savedY - buffer.ybase, 0), size.rows - 1);
    out += `${moveTo(row, Math.min(buffer.savedX, size.cols - 1))}${sgrOf(buffer.savedCurAttrData)}\x1b7`;
  }
  if (buffer.scrollTop !== 0 || buffer.scrollBottom !== size.rows - 1)
    out += `\x1b[${buffer.scrollTop + 1};${buffer.scrollBottom + 1}r`;
  return out;
};

const MOUSE_TRACKING = { none: "", x10: "\x1b[?9h", vt200: "\x1b[?1000h", drag: "\x1b[?1002h", any: "\x1b[?1003h" };
const MOUSE_ENCODING: Readonly<Record<string, string>> = { SGR: "\x1b[?1006h", SGR_PIXELS: "\x1b[?1016h" };
const CURSOR_SHAPE: Readonly<Record<string, number>> = { block: 2, underline: 4, bar: 6 };
const SHIFT: readonly string[] = ["\x0f", "\x0e", "\x1bn", "\x1bo"];

const charsets = (terminal: Terminal): string => {
  const { glevel, _charsets } = coreOf(terminal)._charsetService;
  const designated = ["(", ")", "*", "+"].map((slot, g) => `\x1b${slot}${charsetFinal(_charsets[g])}`).join("");
  return `${designated}${SHIFT[glevel] ?? "\x0f"}`;
};

/** Everything that follows the cells of the active buffer: cursor, attributes, modes. */
export const modeSequences = (terminal: Terminal): string => {
  const core = coreOf(terminal);
  const { modes, cols } = terminal;
  const { buffer } = core;
  const top = modes.originMode ? buffer.scrollTop : 0;
  let out = modes.originMode ? "\x1b[?6h" : "";
  out += moveTo(buffer.y - top, Math.min(buffer.x, cols - 1));
  out += sgrOf(core._inputHandler._curAttrData) + charsets(terminal);
  if (modes.applicationCursorKeysMode) out += "\x1b[?1h";
  if (modes.applicationKeypadMode) out += "\x1b[?66h";
  if (modes.bracketedPasteMode) out += "\x1b[?2004h";
  if (modes.insertMode) out += "\x1b[4h";
  if (modes.reverseWraparoundMode) out += "\x1b[?45h";
  if (modes.sendFocusMode) out += "\x1b[?1004h";
  if (!modes.wraparoundMode) out += "\x1b[?7l";
  out += MOUSE_TRACKING[modes.mouseTrackingMode];
  out += MOUSE_ENCODING[core.coreMouseService.activeEncoding] ?? "";
  const { cursorStyle, cursorBlink } = core.coreService.decPrivateModes;
  const shape = cursorStyle === undefined ? undefined : CURSOR_SHAPE[cursorStyle];
  if (shape !== undefined) out += `\x1b[${cursorBlink ? shape - 1 : shape} q`;
  if (core.coreService.isCursorHidden) out += "\x1b[?25l";
  return out;
};
