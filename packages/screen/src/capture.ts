import { charsetFinal } from "./charsets.ts";
import { bufferSequences, writeModes } from "./mode-writer.ts";
import { createRowWriter } from "./row-writer.ts";
import type { BufferState, Screen } from "./screen.ts";
import { coreOf, type ScreenBuffer, type ScreenTerminal } from "./xterm-internals.ts";

export interface CaptureOptions {
  readonly terminal: ScreenTerminal;
  readonly title: string;
  readonly cwd: string | null;
  /** Sequences that set the palette. */
  readonly palette: string;
  readonly isBlinking: boolean | null;
  /** The bytes of an unfinished sequence. */
  readonly tail: Uint8Array;
  /** Rows above the screen to keep. */
  readonly scrollback: number;
  /** How long the content may become, bytes. Rows above the screen are left out first. */
  readonly limitBytes: number;
}

/** The screen at the byte that was parsed last. Takes some 10 µs a row. */
export const captureScreen = (options: CaptureOptions): Screen => {
  let { scrollback } = options;
  for (;;) {
    const screen = captureOnce({ ...options, scrollback });
    if (screen.content.length <= options.limitBytes) return screen;
    if (scrollback === 0) return withoutCells(options, screen);
    scrollback = Math.floor(scrollback / 4);
  }
};

/** A screen whose cells alone are too large: an empty one with all its modes. */
const withoutCells = (options: CaptureOptions, { cols, rows, state }: Screen): Screen => {
  const none = { wrapped: [], cells: [] };
  const isAlternate = isAlternateActive(options.terminal);
  const { modes } = writeAll(options.terminal, { ...options, scrollback: 0 });
  const text = `${options.palette}${isAlternate ? "\x1b[?1047h" : ""}${modes}`;
  return {
    cols,
    rows,
    content: join(text, options.tail),
    state: {
      ...state,
      isReduced: true,
      normal: { ...state.normal, ...none },
      alternate: { ...state.alternate, ...none },
    },
  };
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
  y: buffer.savedY - buffer.ybase,
  fg: buffer.savedCurAttrData.fg | 0,
  bg: buffer.savedCurAttrData.bg | 0,
  charset: charsetFinal(buffer.savedCharset),
});

const NOTHING = { wrapped: [], cells: [] };

interface Written {
  readonly text: string;
  readonly modes: string;
  readonly isReduced: boolean;
  readonly normal: Pick<BufferState, "wrapped" | "cells">;
  readonly alternate: Pick<BufferState, "wrapped" | "cells">;
}

const writeAll = (terminal: ScreenTerminal, { scrollback, isBlinking }: CaptureOptions): Written => {
  const { normal, alt } = coreOf(terminal).buffers;
  const first = createRowWriter(terminal);
  const inNormal = first.rows(normal, Math.max(0, normal.ybase - scrollback));
  let text = first.text + bufferSequences(normal, terminal);
  let inAlternate: Written["alternate"] = NOTHING;
  let { isReduced } = first;
  if (isAlternateActive(terminal)) {
    // 1049 would overwrite the saved cursor. The new buffer is filled with the background in force.
    const second = createRowWriter(terminal);
    inAlternate = second.rows(alt, 0);
    // Where the cursor was left decides which rows a resize takes from the buffer beneath.
    text += `\x1b[${normal.y + 1};${Math.min(normal.x, terminal.cols - 1) + 1}H\x1b[0m\x1b[?1047h\x1b[H${second.text}${bufferSequences(alt, terminal)}`;
    isReduced ||= second.isReduced;
  }
  const last = createRowWriter(terminal);
  const modes = writeModes(terminal, last, isBlinking) + last.text;
  return { text, modes, isReduced, normal: inNormal, alternate: inAlternate };
};

const captureOnce = (options: CaptureOptions): Screen => {
  const { terminal, tail } = options;
  const core = coreOf(terminal);
  const { normal, alt } = core.buffers;
  const { text, modes, isReduced, ...cells } = writeAll(terminal, options);
  const title = options.title === "" ? "" : `\x1b]2;${options.title}\x1b\\`;
  const { _curAttrData: attributes, _parser } = core._inputHandler;
  return {
    cols: terminal.cols,
    rows: terminal.rows,
    content: join(`${options.palette}${title}${text}${modes}`, tail),
    state: {
      version: 1,
      title: options.title,
      cwd: options.cwd,
      isWrapPending: core.buffer.x >= terminal.cols,
      joinState: _parser.precedingJoinState,
      attributes: { fg: attributes.fg | 0, bg: attributes.bg | 0, ext: attributes.extended._ext },
      charset: charsetFinal(core._charsetService.charset),
      isBlinking: options.isBlinking,
      normal: { saved: savedOf(normal), ...cells.normal },
      alternate: { saved: savedOf(alt), ...cells.alternate },
      tailBytes: tail.length,
      isReduced,
    },
  };
};
