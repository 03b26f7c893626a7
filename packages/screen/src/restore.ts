import { charsetOf } from "./capture/charsets.ts";
import type { BufferState, Screen } from "./screen.ts";
import { linkTableOf } from "./upstream/links.ts";
import { unfinishedUtf8 } from "./utf8-aligner.ts";
import { coreOf, type Extended, type Line, type ScreenBuffer, type ScreenTerminal } from "./xterm-internals.ts";

/**
 * CAN ends an unfinished sequence, RIS resets the terminal; what RIS leaves in xterm.js follows: line feed mode, palette, cursor, link.
 */
export const RESET =
  "\x18\x1bc\x1b[20l\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\x1b]112\x1b\\\x1b]8;;\x1b\\\x1b[?25h\x1b[0m";
/** xterm.js decodes this many bytes at a time, and loses a character on the border. */
const PIECE = 64 * 1024;

/** Cut between characters. */
export const piecesOf = (bytes: Uint8Array): readonly Uint8Array[] => {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const piece = bytes.subarray(at, at + PIECE);
    const open = at + piece.length < bytes.length ? unfinishedUtf8(piece) : 0;
    pieces.push(piece.subarray(0, piece.length - open));
    at += piece.length - open;
  }
  return pieces;
};

/** Sets what the bytes of a screen can't say, right after they were parsed. */
export const setRegisters = (terminal: ScreenTerminal, { state }: Screen): void => {
  const core = coreOf(terminal);
  const { normal, alt } = core.buffers;
  const { _inputHandler, _charsetService } = core;
  setBuffer(terminal, normal, state.normal);
  setBuffer(terminal, alt, state.alternate);
  const { decPrivateModes } = core.coreService;
  if (state.version > 1) {
    decPrivateModes.cursorStyle = state.cursor.style ?? undefined;
    decPrivateModes.cursorBlink = state.cursor.isBlinking ?? undefined;
  }
  if (state.isWrapPending) core.buffer.x = terminal.cols;
  _inputHandler._parser.precedingJoinState = state.joinState;
  const attributes = _inputHandler._curAttrData;
  attributes.fg = state.attributes.fg;
  attributes.bg = state.attributes.bg;
  attributes.extended = withExt(attributes.extended, state.attributes.ext);
  _charsetService.charset = charsetOf(terminal, state.charset);
};

const withExt = (extended: Extended, ext: number, link = extended.urlId): Extended => {
  const own = extended.clone();
  own.ext = ext;
  own.urlId = link;
  return own;
};

const setBuffer = (terminal: ScreenTerminal, buffer: ScreenBuffer, state: BufferState): void => {
  const { saved, wrapped, cells } = state;
  const links = linkTableOf(terminal);
  buffer.savedX = saved.x;
  buffer.savedY = Math.max(saved.y, 0);
  for (const key of Object.keys(buffer.tabs)) if (Number(key) >= terminal.cols) delete buffer.tabs[Number(key)];
  for (const x of state.hiddenTabs) if (x >= terminal.cols) buffer.tabs[x] = true;
  buffer.savedCurAttrData.fg = saved.fg;
  buffer.savedCurAttrData.bg = saved.bg;
  buffer.savedCharset = charsetOf(terminal, saved.charset);
  for (const row of wrapped) {
    const line = lineAt(buffer, row);
    if (line !== undefined) line.isWrapped = true;
  }
  const { extended } = buffer.savedCurAttrData;
  for (const [row, x, content, fg, bg, ext, chars, link = 0] of cells) {
    const line = lineAt(buffer, row);
    if (line === undefined || x < 0 || x >= line.length) continue;
    line._data.set([content, fg, bg], x * 3);
    if (chars !== "") line._combined[x] = chars;
    if ((bg & 0x10000000) !== 0) line._extendedAttrs[x] = withExt(extended, ext, links.restored(link));
  }
};

/** Relative to the top of the screen. Behind its ends the list starts over. */
const lineAt = ({ lines, ybase }: ScreenBuffer, row: number): Line | undefined => {
  const index = ybase + row;
  return index >= 0 && index < lines.length ? lines.get(index) : undefined;
};
