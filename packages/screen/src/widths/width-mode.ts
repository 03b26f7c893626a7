/**
 * By which rules a terminal gives characters columns: by those of the guest's C library, as programs count unless they say otherwise, or
 * by graphemes once a program asks for mode 2027 (decision 0012).
 */
import { coreOf, type Disposable, type ScreenTerminal } from "../xterm-internals.ts";
import { wcwidth } from "./wcwidth.ts";

const MODE = 2027;
const WCWIDTH = "glibc-15";
const GRAPHEMES = "15-graphemes";

/** xterm.js's word: the width in bits 1 and 2, and in bit 0 whether the character joins the one before it. */
const property = (width: number, isJoined: boolean): number => (width << 1) | (isJoined ? 1 : 0);

const provider = {
  version: WCWIDTH,
  wcwidth,
  /** What has no columns joins what is before the cursor, whatever moved it there. */
  charProperties(codePoint: number, preceding: number): number {
    const width = wcwidth(codePoint);
    return width === 0 ? property((preceding >> 1) & 3, true) : property(width, false);
  },
};

export interface WidthMode {
  /** Graphemes, or the C library's widths. */
  isGraphemes: boolean;
  dispose(): void;
}

export const followWidthMode = (terminal: ScreenTerminal): WidthMode => {
  const core = coreOf(terminal);
  const { unicode } = terminal;
  unicode.register(provider);
  const hasGraphemes = unicode.versions.includes(GRAPHEMES);
  const set = (isGraphemes: boolean): void => {
    unicode.activeVersion = isGraphemes && hasGraphemes ? GRAPHEMES : WCWIDTH;
  };
  set(false);
  const print = core._inputHandler.print;
  // There is nothing before the first column that it could join.
  core._inputHandler.print = (data, start, end) => {
    let from = start;
    if (core.buffer.x === 0 && unicode.activeVersion === WCWIDTH) {
      while (from < end && wcwidth(data[from] as number) === 0) from++;
    }
    if (from < end) print.call(core._inputHandler, data, from, end);
  };
  const switching = (isOn: boolean) => (params: (number | number[])[]) => {
    if (params.includes(MODE)) set(isOn);
    return false;
  };
  const resetting = (): boolean => {
    set(false);
    return false;
  };
  const { parser } = terminal;
  const hooks: Disposable[] = [
    parser.registerCsiHandler({ prefix: "?", final: "h" }, switching(true)),
    parser.registerCsiHandler({ prefix: "?", final: "l" }, switching(false)),
    parser.registerCsiHandler({ intermediates: "!", final: "p" }, resetting),
    parser.registerEscHandler({ final: "c" }, resetting),
    parser.registerCsiHandler({ prefix: "?", intermediates: "$", final: "p" }, (params) => {
      if (params[0] !== MODE || !hasGraphemes) return false;
      core.coreService.triggerDataEvent(`\x1b[?${MODE};${unicode.activeVersion === GRAPHEMES ? 1 : 2}$y`);
      return true;
    }),
  ];
  return {
    get isGraphemes() {
      return unicode.activeVersion === GRAPHEMES;
    },
    set isGraphemes(isOn) {
      set(isOn);
    },
    dispose() {
      for (const hook of hooks) hook.dispose();
    },
  };
};
