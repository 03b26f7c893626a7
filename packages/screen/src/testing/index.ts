/**
 * Everything that a person or a program could tell two terminals apart by, to compare them cell by cell and mode by mode. What xterm.js
 * tells instead of keeping it (colours, titles, answers) is heard by {@link listenTo}; what shows only later, {@link REVEALING} brings out.
 */
import { colorOf, styleOf } from "../capture/attributes.ts";
import { charsetFinal } from "../capture/charsets.ts";
import { coreOf, type Line, type ScreenBuffer, type ScreenTerminal } from "../xterm-internals.ts";

const HAS_EXTENDED = 0x10000000;

export interface ScreenDescription {
  readonly size: string;
  readonly active: string;
  readonly normal: readonly string[];
  readonly alternate: readonly string[];
  readonly registers: Readonly<Record<string, unknown>>;
}

export interface DescribeOptions {
  /** Compare so many rows above the screen; all of them when left out. */
  readonly scrollback?: number;
}

export const describeScreen = (terminal: ScreenTerminal, options: DescribeOptions = {}): ScreenDescription => {
  const core = coreOf(terminal);
  const { normal, alt } = core.buffers;
  const { buffer, _inputHandler, _charsetService } = core;
  const attributes = _inputHandler._curAttrData;
  // Which cells are of one link, not only where it leads: numbered in the order in which they are met.
  const identities = new Map<number, number>();
  const link = (id: number): string => {
    const data = id === 0 ? undefined : core._oscLinkService.getLinkData(id);
    if (data === undefined) return "";
    const identity = identities.get(id) ?? identities.size + 1;
    identities.set(id, identity);
    return `#${identity} ${data.id ?? ""} ${data.uri}`;
  };
  const cell = (line: Line, x: number): string => {
    const content = line._data[x * 3] ?? 0;
    const chars = (content & 0x200000) !== 0 ? line._combined[x] : String.fromCodePoint(content & 0x1fffff);
    const style = styleOf(line._data[x * 3 + 1] ?? 0, line._data[x * 3 + 2] ?? 0, line._extendedAttrs[x]);
    const { fg, bg, underline, underlineColor } = style;
    return `${chars}|${content >>> 22}|${fg},${bg},${underline},${underlineColor},${link(style.link)}`;
  };
  const rows = (one: ScreenBuffer, above: number): string[] => {
    const out: string[] = [];
    for (let y = Math.max(0, one.ybase - above); y < one.lines.length; y++) {
      const line = one.lines.get(y);
      if (line === undefined) continue;
      let text = line.isWrapped ? "~" : " ";
      let last = "";
      let run = 0;
      for (let x = 0; x <= terminal.cols; x++) {
        const next = x < terminal.cols ? cell(line, x) : "";
        if (next !== last || x === 0) {
          if (run > 0) text += `${run}×${last} `;
          run = 0;
          last = next;
        }
        run++;
      }
      out.push(text);
    }
    return out;
  };
  const saved = (one: ScreenBuffer): unknown[] => [
    one.savedX,
    one.savedY,
    styleOf(one.savedCurAttrData.fg, one.savedCurAttrData.bg, undefined),
    (one.savedCurAttrData.bg & HAS_EXTENDED) !== 0,
    charsetFinal(one.savedCharset),
  ];
  const tabs = (one: ScreenBuffer): number[] =>
    Object.keys(one.tabs)
      .map(Number)
      .filter((x) => one.tabs[x]);
  const isAlternate = buffer === alt;
  const { cursorStyle, cursorBlink, wraparound } = core.coreService.decPrivateModes;
  return {
    size: `${terminal.cols}x${terminal.rows}`,
    active: isAlternate ? "alternate" : "normal",
    normal: rows(normal, options.scrollback ?? Number.POSITIVE_INFINITY),
    alternate: isAlternate ? rows(alt, 0) : [],
    registers: {
      cursor: [buffer.x, buffer.y],
      regions: [normal, alt].map((one) => [one.scrollTop, one.scrollBottom]),
      tabs: [tabs(normal), tabs(alt)],
      saved: [saved(normal), saved(alt)],
      modes: { ...terminal.modes },
      mouse: core.coreMouseService.activeEncoding,
      isHidden: core.coreService.isCursorHidden,
      shape: [cursorStyle, cursorBlink, core.optionsService.rawOptions.cursorBlink],
      wraparound,
      widths: terminal.unicode.activeVersion,
      convertEol: core.optionsService.rawOptions.convertEol === true,
      attributes: [
        styleOf(attributes.fg, attributes.bg, attributes.extended),
        colorOf(attributes.extended._ext),
        (attributes.extended._ext >> 26) & 7,
        (attributes.bg & HAS_EXTENDED) !== 0,
        link(attributes.extended.urlId),
      ].map((one) => (typeof one === "object" ? { ...one, link: 0 } : one)),
      charsets: [
        _charsetService.glevel,
        [0, 1, 2, 3].map((g) => charsetFinal(_charsetService._charsets[g])),
        charsetFinal(_charsetService.charset),
      ],
      joinState: _inputHandler._parser.precedingJoinState,
    },
  };
};

export interface Listener {
  /** The palette as a program has set it, by xterm.js's numbers. */
  readonly palette: Readonly<Record<number, string>>;
  /** The title as it was last reported; RESET reports none. */
  readonly title: string;
  /** What the terminal has answered since the last call. */
  answers(): string;
}

interface Talking extends ScreenTerminal {
  onData(listener: (data: string) => void): unknown;
}

/** From the terminal's beginning on. */
export const listenTo = (terminal: Talking): Listener => {
  const palette: Record<number, string> = {};
  let answers = "";
  let title = "";
  coreOf(terminal)._inputHandler.onColor((requests) => {
    for (const { type, index, color } of requests) {
      if (type === 1 && index !== undefined) palette[index] = String(color);
      else if (type === 2 && index !== undefined) delete palette[index];
      else if (type === 2) for (let i = 0; i < 256; i++) delete palette[i];
    }
  });
  terminal.onTitleChange((text) => {
    title = text;
  });
  terminal.onData((data) => {
    answers += data;
  });
  return {
    palette,
    get title() {
      return title;
    },
    answers() {
      const given = answers;
      answers = "";
      return given;
    },
  };
};

const MODES = [
  1, 3, 6, 7, 8, 9, 12, 25, 45, 47, 66, 67, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 1047, 1048, 1049,
];
/** Asks for all that xterm.js answers: attributes, cursor, modes, settings. */
export const QUERIES = [
  "\x18\x1b[c\x1b[>c\x1b[5n\x1b[6n\x1b[?6n",
  ...[...MODES, 2004, 2026, 2027].map((mode) => `\x1b[?${mode}$p`),
  ...[2, 4, 12, 20].map((mode) => `\x1b[${mode}$p`),
  ...['"q', '"p', "r", "m", " q", "s"].map((setting) => `\x1bP$q${setting}\x1b\\`),
].join("");

/** Each brings out what a screen may hide: unfinished sequences, saved cursors, regions, tab stops, joins, the buffer beneath. */
export const REVEALING: readonly string[] = [
  "x",
  "31mx",
  "\u0301y",
  "\x18\x1b8z",
  "\x18\t\tt\x1b[Zz",
  "\x18\n\n\n\n\n\n\nx",
  "\x18\x1bM\x1bM\x1bM\x1bMx",
  "\x18\x1b[P\x1b[2@\x1b[X",
  "\x18\x1b[?1049l\x1b8x\x1b[?1049hy",
  "\x18\x1b[3b\x1b[5Cx",
];
