import { type BufferState, DEFAULT_SCROLLBACK, MAX_COLS, type Screen } from "../screen.ts";
import { coreOf, type ScreenBuffer, type ScreenTerminal } from "../xterm-internals.ts";
import { charsetFinal } from "./charsets.ts";
import { bufferSequences, writeModes } from "./mode-writer.ts";
import { createRowWriter, type LinkNames } from "./row-writer.ts";

export interface CaptureOptions {
  readonly terminal: ScreenTerminal;
  readonly title: string;
  readonly cwd: string | null;
  /** Sequences that set the palette. */
  readonly palette: string;
  readonly isBlinking: boolean | null;
  readonly hasLostRows: boolean;
  readonly isGraphemes: boolean;
  /** The bytes of an unfinished sequence. */
  readonly tail: Uint8Array;
  /** Rows above the screen to keep. */
  readonly scrollback: number;
  /** How long the content may become, bytes. Rows above the screen are left out first. */
  readonly limitBytes: number;
  /** Without cells. */
  readonly isEmpty?: boolean;
}

/** The screen at the byte that was parsed last. Takes some 10 µs a row. */
export const captureScreen = (options: CaptureOptions): Screen => {
  let { scrollback } = options;
  for (;;) {
    const screen = captureOnce({ ...options, scrollback });
    if (screen.content.length <= options.limitBytes) return screen;
    // The cells alone are too large: an empty screen, with all its modes.
    if (scrollback === 0) return captureOnce({ ...options, scrollback, isEmpty: true });
    scrollback = Math.floor(scrollback / 4);
  }
};

const isAlternateActive = (terminal: ScreenTerminal): boolean => {
  const { buffer, buffers } = coreOf(terminal);
  return buffer === buffers.alt;
};

const join = (text: string, tail: Uint8Array): Uint8Array => {
  const bytes = new TextEncoder().encode(text);
  if (tail.length === 0) return bytes;
  const content = new Uint8Array(bytes.length + tail.length);
  content.set(bytes);
  content.set(tail, bytes.length);
  return content;
};

const savedOf = (buffer: ScreenBuffer): BufferState["saved"] => ({
  x: buffer.savedX,
  y: buffer.savedY,
  fg: buffer.savedCurAttrData.fg | 0,
  bg: buffer.savedCurAttrData.bg | 0,
  charset: charsetFinal(buffer.savedCharset),
});

const hiddenTabsOf = ({ tabs }: ScreenBuffer, cols: number): number[] =>
  Object.keys(tabs).flatMap((key) =>
    Number(key) >= cols && Number(key) <= MAX_COLS && tabs[Number(key)] ? Number(key) : [],
  );

const NOTHING = { wrapped: [], cells: [] };

interface Written {
  readonly text: string;
  readonly isReduced: boolean;
  readonly normal: Pick<BufferState, "wrapped" | "cells">;
  readonly alternate: Pick<BufferState, "wrapped" | "cells">;
}

const writeAll = (terminal: ScreenTerminal, { scrollback, isBlinking, isEmpty = false }: CaptureOptions): Written => {
  const { normal, alt } = coreOf(terminal).buffers;
  const names: LinkNames = new Map();
  const first = createRowWriter(terminal, names);
  const inNormal = first.rows(normal, isEmpty ? normal.lines.length : Math.max(0, normal.ybase - scrollback));
  let text = first.text + bufferSequences(normal, terminal);
  let inAlternate: Written["alternate"] = NOTHING;
  let isReduced = isEmpty || first.isReduced;
  if (isAlternateActive(terminal)) {
    // 1049 would overwrite the saved cursor. The new buffer is filled with the background in force.
    const second = createRowWriter(terminal, names);
    inAlternate = second.rows(alt, isEmpty ? alt.lines.length : 0);
    // Where the cursor was left decides which rows a resize takes from the buffer beneath.
    text += `\x1b[${normal.y + 1};${Math.min(normal.x, terminal.cols - 1) + 1}H\x1b[0m\x1b[?1047h\x1b[H${second.text}${bufferSequences(alt, terminal)}`;
    isReduced ||= second.isReduced;
  }
  const last = createRowWriter(terminal, names);
  text += writeModes(terminal, last, isBlinking) + last.text;
  return { text, isReduced, normal: inNormal, alternate: inAlternate };
};

const captureOnce = (options: CaptureOptions): Screen => {
  const { terminal, tail } = options;
  const core = coreOf(terminal);
  const { normal, alt } = core.buffers;
  const { text, isReduced, ...cells } = writeAll(terminal, options);
  const title = options.title === "" ? "" : `\x1b]2;${options.title}\x1b\\`;
  const { _curAttrData: attributes, _parser } = core._inputHandler;
  const { cursorStyle, cursorBlink } = core.coreService.decPrivateModes;
  return {
    cols: terminal.cols,
    rows: terminal.rows,
    content: join(`${options.palette}${title}${text}`, tail),
    state: {
      version: 2,
      title: options.title,
      cwd: options.cwd,
      isWrapPending: core.buffer.x >= terminal.cols,
      joinState: _parser.precedingJoinState,
      attributes: { fg: attributes.fg | 0, bg: attributes.bg | 0, ext: attributes.extended._ext },
      charset: charsetFinal(core._charsetService.charset),
      isBlinking: options.isBlinking,
      cursor: { style: cursorStyle ?? null, isBlinking: cursorBlink ?? null },
      normal: { saved: savedOf(normal), hiddenTabs: hiddenTabsOf(normal, terminal.cols), ...cells.normal },
      alternate: { saved: savedOf(alt), hiddenTabs: hiddenTabsOf(alt, terminal.cols), ...cells.alternate },
      scrollback: core.optionsService.rawOptions.scrollback ?? DEFAULT_SCROLLBACK,
      isGraphemes: options.isGraphemes,
      hasLostRows: options.hasLostRows || normal.ybase > options.scrollback,
      tailBytes: tail.length,
      isReduced,
    },
  };
};
