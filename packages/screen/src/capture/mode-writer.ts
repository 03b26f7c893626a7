/** Writes the state of a terminal that is not in its cells, as sequences. */

import { coreOf, type ScreenBuffer, type ScreenTerminal } from "../xterm-internals.ts";
import { sgrOf, styleOf } from "./attributes.ts";
import { charsetFinal } from "./charsets.ts";
import type { RowWriter } from "./row-writer.ts";

const TAB = 8;

const moveTo = (y: number, x: number): string => `\x1b[${y + 1};${x + 1}H`;

const tabStops = (buffer: ScreenBuffer, cols: number): string => {
  const columns = Array.from({ length: cols }, (_, x) => x);
  if (columns.every((x) => (buffer.tabs[x] === true) === (x % TAB === 0))) return "";
  return `\x1b[3g${columns
    .filter((x) => buffer.tabs[x])
    .map((x) => `\x1b[${x + 1}G\x1bH`)
    .join("")}`;
};

/** Tab stops, saved cursor and scroll region of a buffer. Leaves the cursor anywhere and the attributes as at the start. */
export const bufferSequences = (buffer: ScreenBuffer, { cols, rows }: ScreenTerminal): string => {
  let out = tabStops(buffer, cols);
  if (buffer.savedX !== 0 || buffer.savedY !== 0) {
    const row = Math.min(buffer.savedY, rows - 1);
    const { fg, bg } = buffer.savedCurAttrData;
    out += `${moveTo(row, Math.min(buffer.savedX, cols - 1))}${sgrOf(styleOf(fg, bg, undefined))}\x1b7\x1b[0m`;
  }
  if (buffer.scrollTop !== 0 || buffer.scrollBottom !== rows - 1) {
    out += `\x1b[${buffer.scrollTop + 1};${buffer.scrollBottom + 1}r`;
  }
  return out;
};

const MOUSE_TRACKING = { none: "", x10: "\x1b[?9h", vt200: "\x1b[?1000h", drag: "\x1b[?1002h", any: "\x1b[?1003h" };
const MOUSE_ENCODING: Readonly<Record<string, string>> = { SGR: "\x1b[?1006h", SGR_PIXELS: "\x1b[?1016h" };
const CURSOR_SHAPE: Readonly<Record<string, number>> = { block: 2, underline: 4, bar: 6 };
/** Locking shifts 0 to 3 (ECMA-35 9.3). */
const SHIFT: readonly string[] = ["\x0f", "\x0e", "\x1bn", "\x1bo"];

const charsets = (terminal: ScreenTerminal): string => {
  const { glevel, _charsets } = coreOf(terminal)._charsetService;
  const designated = ["(", ")", "*", "+"].map((slot, g) => {
    const final = charsetFinal(_charsets[g]);
    return final === "B" ? "" : `\x1b${slot}${final}`;
  });
  return `${designated.join("")}${glevel === 0 ? "" : (SHIFT[glevel] ?? "")}`;
};

const cursorShape = (terminal: ScreenTerminal): string => {
  const { cursorStyle, cursorBlink } = coreOf(terminal).coreService.decPrivateModes;
  const shape = cursorStyle === undefined ? undefined : CURSOR_SHAPE[cursorStyle];
  return shape === undefined ? "" : `\x1b[${cursorBlink ? shape - 1 : shape} q`;
};

/** Everything that follows the cells of the active buffer: cursor, attributes, modes. */
export const writeModes = (terminal: ScreenTerminal, writer: RowWriter, isBlinking: boolean | null): string => {
  const core = coreOf(terminal);
  const { modes, cols } = terminal;
  const { buffer } = core;
  const { _curAttrData: attributes } = core._inputHandler;
  const top = modes.originMode ? buffer.scrollTop : 0;
  let out = modes.originMode ? "\x1b[?6h" : "";
  out += moveTo(buffer.y - top, Math.min(buffer.x, cols - 1));
  out += charsets(terminal);
  const flags: readonly (readonly [boolean, string])[] = [
    [modes.applicationCursorKeysMode, "\x1b[?1h"],
    [modes.applicationKeypadMode, "\x1b[?66h"],
    [modes.bracketedPasteMode, "\x1b[?2004h"],
    [modes.insertMode, "\x1b[4h"],
    [modes.reverseWraparoundMode, "\x1b[?45h"],
    [modes.sendFocusMode, "\x1b[?1004h"],
    [!modes.wraparoundMode, "\x1b[?7l"],
    [core.optionsService.rawOptions.convertEol === true, "\x1b[20h"],
    [core.coreService.isCursorHidden, "\x1b[?25l"],
  ];
  for (const [isOn, sequence] of flags) if (isOn) out += sequence;
  out += MOUSE_TRACKING[modes.mouseTrackingMode] + (MOUSE_ENCODING[core.coreMouseService.activeEncoding] ?? "");
  out += cursorShape(terminal);
  if (isBlinking !== null) out += isBlinking ? "\x1b[?12h" : "\x1b[?12l";
  if (modes.synchronizedOutputMode) out += "\x1b[?2026h";
  writer.style({ ...styleOf(attributes.fg, attributes.bg, attributes.extended), link: attributes.extended.urlId });
  return out;
};
