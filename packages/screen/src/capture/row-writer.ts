/** Writes rows of cells as bytes that print them again, and notes what bytes can't say. */

import type { BufferState } from "../screen.ts";
import { coreOf, type Line, type ScreenBuffer } from "../xterm-internals.ts";
import { type CellStyle, isProtected, isSameStyle, isSayable, PLAIN, sgrOf, styleOf } from "./attributes.ts";

const CODE_POINT = 0x1fffff;
const HAS_CONTENT = 0x3fffff;
const IS_COMBINED = 0x200000;
/** Marks without end may stand on one cell; more than these can't be distinguished. */
export const MAX_MARKS = 32;
/** A screen of nothing but cells like these is a program's attack on our memory. */
const MAX_CELLS = 20_000;
/** Characters below combine with nothing (Unicode's grapheme breaks), whatever stands before or after them. */
const FIRST_JOINING = 0x300;
/** Shift In: no effect but that the next character begins a grapheme of its own. */
const BREAK = "\x0f";

type Cell = BufferState["cells"][number];

export interface RowWriter {
  /** Rows `from` to the last of a buffer, into an empty one with its cursor at home. */
  rows(buffer: ScreenBuffer, from: number): { readonly wrapped: number[]; readonly cells: Cell[] };
  /** Sets attributes and link for what follows. */
  style(style: CellStyle): void;
  readonly text: string;
  readonly isReduced: boolean;
}

interface RowEnd {
  /** The column behind the last that the bytes reach; the cursor stands there. */
  readonly column: number;
  readonly style: CellStyle;
}

/** The names of links in one screen, by xterm.js's numbers: upstream/links.ts reads them. */
export type LinkNames = Map<number, number>;

export const createRowWriter = (
  terminal: { readonly cols: number; readonly rows: number },
  names: LinkNames,
): RowWriter => {
  const { cols } = terminal;
  const { unicodeService, _oscLinkService } = coreOf(terminal);
  const parts: string[] = [];
  const stable = new Map<string, number>();
  let current = PLAIN;
  let openLink = 0;
  let lastChar = 0;
  let isReduced = false;
  let cells: Cell[] = [];

  /** Opens a link, or ends the one that is open, and answers with its name; 0: none. */
  const openLinkOf = (id: number): number => {
    const data = id === 0 ? undefined : _oscLinkService.getLinkData(id);
    if (data === undefined) {
      if (openLink !== 0) parts.push("\x1b]8;;\x1b\\");
      openLink = 0;
      return 0;
    }
    const name = names.get(id) ?? names.size + 1;
    names.set(id, name);
    // A target has no control characters: it came in a string that they would have ended.
    if (id !== openLink) {
      parts.push(`\x1b]8;id=${data.id === undefined ? name : `${name}.${data.id}`};${data.uri}\x1b\\`);
      lastChar = 0;
    }
    openLink = id;
    return name;
  };

  const setStyle = (style: CellStyle): void => {
    openLinkOf(style.link);
    if (isSameStyle(style, current)) return;
    parts.push(sgrOf(style));
    if (isProtected(style)) parts.push('\x1b[1"q');
    else if (isProtected(current)) parts.push('\x1b[0"q');
    current = style;
    lastChar = 0;
  };

  /** The width that these characters get where nothing stands before them; -1 when they don't make one cell. */
  const widthOf = (chars: string): number => {
    const known = stable.get(chars);
    if (known !== undefined) return known;
    let state = 0;
    let width = 0;
    for (const char of chars) {
      const next = unicodeService.charProperties(char.codePointAt(0) ?? 0, state);
      const isJoining = (next & 1) !== 0;
      const own = (next >> 1) & 3;
      if (isJoining === (state === 0) || own < width) {
        width = -1;
        break;
      }
      width = own;
      state = next;
    }
    if (stable.size < 10_000) stable.set(chars, width);
    return width;
  };

  const note = (row: number, x: number, line: Line): void => {
    if (cells.length >= MAX_CELLS) {
      isReduced = true;
      return;
    }
    const content = line._data[x * 3] ?? 0;
    const chars = (content & IS_COMBINED) !== 0 ? (line._combined[x] ?? "") : "";
    const bg = line._data[x * 3 + 2] ?? 0;
    const extended = (bg & 0x10000000) !== 0 ? line._extendedAttrs[x] : undefined;
    const fg = line._data[x * 3 + 1] ?? 0;
    cells.push([
      row,
      x,
      content,
      fg | 0,
      bg | 0,
      extended?._ext ?? 0,
      [...chars.slice(0, 512)].slice(0, MAX_MARKS).join(""),
      openLinkOf(extended?.urlId ?? 0),
    ]);
  };

  const styleAt = (line: Line, x: number): CellStyle =>
    styleOf(line._data[x * 3 + 1] ?? 0, line._data[x * 3 + 2] ?? 0, line._extendedAttrs[x]);

  const charsAt = (line: Line, x: number): string => {
    const content = line._data[x * 3] ?? 0;
    if ((content & IS_COMBINED) === 0) return String.fromCodePoint(content & CODE_POINT);
    const chars = line._combined[x] ?? "";
    if (chars.length <= MAX_MARKS) return chars;
    isReduced = true;
    return [...chars.slice(0, 512)].slice(0, MAX_MARKS).join("");
  };

  const widthAt = (line: Line, x: number): number => (line._data[x * 3] ?? 0) >>> 22;
  const hasChars = (line: Line, x: number): boolean => ((line._data[x * 3] ?? 0) & HAS_CONTENT) !== 0;

  /** Does printing the characters of this cell make it again? */
  const isPrintable = (line: Line, x: number): boolean => {
    const width = widthAt(line, x);
    if (!hasChars(line, x) || width === 0 || x + width > cols) return false;
    const content = line._data[x * 3] ?? 0;
    if ((content & IS_COMBINED) === 0 && (content & CODE_POINT) < 0x7f && (content & CODE_POINT) >= 0x20)
      return width === 1;
    return widthOf(charsAt(line, x)) === width;
  };

  const print = (line: Line, x: number): void => {
    const chars = charsAt(line, x);
    const first = chars.codePointAt(0) ?? 0;
    setStyle(styleAt(line, x));
    if (lastChar !== 0 && (first >= FIRST_JOINING || lastChar >= FIRST_JOINING)) parts.push(BREAK);
    parts.push(chars);
    lastChar = chars.length > 1 ? FIRST_JOINING : first;
  };

  /** Writes the cells of a row that is filled with `fill`, up to column `end`. */
  const writeRow = (
    line: Line,
    row: number,
    { fill, end }: { readonly fill: number; readonly end: number },
  ): RowEnd => {
    let cursor = 0;
    let x = 0;
    const moveTo = (column: number): void => {
      if (column > cursor) {
        parts.push(column - cursor === 1 ? "\x1b[C" : `\x1b[${column - cursor}C`);
        lastChar = 0;
      }
      cursor = column;
    };
    while (x < end) {
      if (isPrintable(line, x)) {
        const width = widthAt(line, x);
        moveTo(x);
        print(line, x);
        const isSaid = isSayable(current);
        if (!isSaid) note(row, x, line);
        for (let half = x + 1; half < x + width; half++) {
          const isPlain = (line._data[half * 3] ?? 0) === 0 && isSameStyle(styleAt(line, half), current);
          if (!isPlain || !isSaid) note(row, half, line);
        }
        x += width;
        cursor = x;
        continue;
      }
      const style = styleAt(line, x);
      const isBlank = (line._data[x * 3] ?? 0) === 1 << 22;
      const isErased = isBlank && isSameStyle(style, { ...PLAIN, bg: style.bg & 0x3ffffff });
      if (!isErased) {
        note(row, x, line);
        x++;
        continue;
      }
      let run = x + 1;
      while (run < end && (line._data[run * 3] ?? 0) === 1 << 22 && isSameStyle(styleAt(line, run), style)) run++;
      if (style.bg !== fill) {
        moveTo(x);
        setStyle(style);
        parts.push(`\x1b[${run - x}X`);
        lastChar = 0;
      }
      x = run;
    }
    if (cursor < cols && end < cols) moveTo(end);
    return { column: cursor, style: current };
  };

  return {
    get text() {
      return parts.join("");
    },
    get isReduced() {
      return isReduced;
    },
    style: setStyle,
    rows(buffer, from) {
      const wrapped: number[] = [];
      cells = [];
      const count = buffer.lines.length;
      let fill = 0;
      for (let index = from; index < count; index++) {
        const line = buffer.lines.get(index);
        if (line === undefined) continue;
        // Behind its end the list starts over.
        const next = index + 1 < count ? buffer.lines.get(index + 1) : undefined;
        const row = index - buffer.ybase;
        const last = cols - 1;
        const isNextWrapped = next?.isWrapped === true;
        // A wide character that did not fit left the last column empty.
        const isLeftOver =
          isNextWrapped && !hasChars(line, last) && widthAt(line, last) === 1 && widthAt(next, 0) === 2;
        const hasNextChars = isNextWrapped && isPrintable(next, 0);
        const end = isLeftOver && hasNextChars ? last : cols;
        const { column } = writeRow(line, row, { fill, end });
        if (index === from && line.isWrapped) wrapped.push(row);
        if (next === undefined) break;
        const isScrolling = index - from >= terminal.rows - 1;
        if (hasNextChars && column === end && (end === last || column === cols)) {
          const style = styleAt(next, 0);
          if (end === last && !isSameStyle(styleAt(line, last), style)) note(row, last, line);
          // The row that scrolls in has the background of what wraps into it.
          setStyle(style);
          fill = isScrolling ? style.bg & 0x3ffffff : 0;
        } else {
          setStyle({ ...PLAIN, link: current.link });
          parts.push("\r\n");
          lastChar = 0;
          fill = 0;
          if (isNextWrapped) wrapped.push(row + 1);
        }
      }
      setStyle(PLAIN);
      return { wrapped, cells };
    },
  };
};
