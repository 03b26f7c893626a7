/** Everything that a person or a program could tell two terminals apart by, to compare them cell by cell and mode by mode. */
import { colorOf, styleOf } from "../attributes.ts";
import { charsetFinal } from "../charsets.ts";
import { coreOf, type Line, type ScreenBuffer, type ScreenTerminal } from "../xterm-internals.ts";

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
  const link = (id: number): string => {
    const data = id === 0 ? undefined : core._oscLinkService.getLinkData(id);
    return data === undefined ? "" : `${data.id ?? ""} ${data.uri}`;
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
    Math.max(one.savedY - one.ybase, 0),
    styleOf(one.savedCurAttrData.fg, one.savedCurAttrData.bg, undefined),
    charsetFinal(one.savedCharset),
  ];
  const tabs = (one: ScreenBuffer): number[] =>
    Array.from({ length: terminal.cols }, (_, x) => x).filter((x) => one.tabs[x]);
  const isAlternate = buffer === alt;
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
      shape: [core.coreService.decPrivateModes.cursorStyle, core.coreService.decPrivateModes.cursorBlink],
      convertEol: core.optionsService.rawOptions.convertEol === true,
      attributes: [
        styleOf(attributes.fg, attributes.bg, attributes.extended),
        colorOf(attributes.extended._ext),
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
