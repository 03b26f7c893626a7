/** Answers to queries that a headless xterm.js leaves to a renderer: colours (OSC 4, 10, 11, 12) and its version. */
import type { Appearance } from "@microterm/protocol";
import { onColors, type ScreenTerminal } from "@microterm/screen";

/** xterm's own, for a terminal that had no client yet. */
const DEFAULT_APPEARANCE: Appearance = { foreground: "#e5e5e5", background: "#000000", cursor: "#e5e5e5" };
const ANSI = [
  ["#000000", "#cd0000", "#00cd00", "#cdcd00", "#0000ee", "#cd00cd", "#00cdcd", "#e5e5e5"],
  ["#7f7f7f", "#ff0000", "#00ff00", "#ffff00", "#5c5cff", "#ff00ff", "#00ffff", "#ffffff"],
].flat();
/** Questions in one sequence that are answered: each makes a reply some five times its length. */
const MAX_QUESTIONS = 16;
/** Foreground, background and cursor follow the palette's 256. */
const SPECIAL = 256;

type Channels = readonly [number, number, number];

const ofHex = (hex: string): Channels => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as never;

/** The colours 16 to 255: a cube of 6 levels and 24 greys. */
const ofIndex = (index: number): Channels => {
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return [grey, grey, grey];
  }
  const at = index - 16;
  const level = (n: number) => (n === 0 ? 0 : 55 + n * 40);
  return [level(Math.floor(at / 36)), level(Math.floor(at / 6) % 6), level(at % 6)];
};

export interface QueryAnswers {
  setAppearance(appearance: Appearance): void;
}

/** `answer` gets what to send to the program. */
export const answerQueries = (terminal: ScreenTerminal, answer: (text: string) => void): QueryAnswers => {
  let appearance = DEFAULT_APPEARANCE;
  const set = new Map<number, Channels>();
  const answerColor = (prefix: string, [r, g, b]: Channels): void => {
    const hex = (n: number) => n.toString(16).padStart(2, "0").repeat(2);
    answer(`\x1b]${prefix};rgb:${hex(r)}/${hex(g)}/${hex(b)}\x1b\\`);
  };
  const ownOf = (index: number): Channels => {
    if (index < 16) return ofHex(appearance.palette?.[index] ?? ANSI[index] ?? "#000000");
    if (index < SPECIAL) return ofIndex(index);
    return ofHex([appearance.foreground, appearance.background, appearance.cursor][index - SPECIAL] ?? "#000000");
  };
  // As xterm.js reads them, so that a program is answered what is drawn.
  onColors(terminal, (requests) => {
    let questions = 0;
    for (const { type, index, color } of requests) {
      if (type === "set") set.set(index, color);
      else if (type === "reset") set.delete(index);
      else if (questions++ < MAX_QUESTIONS) {
        answerColor(index < SPECIAL ? `4;${index}` : `${index - SPECIAL + 10}`, set.get(index) ?? ownOf(index));
      }
    }
  });
  // XTVERSION, which xterm.js 6.0 does not answer.
  terminal.parser.registerCsiHandler({ prefix: ">", final: "q" }, () => {
    answer("\x1bP>|xterm.js(6.0.0)\x1b\\");
    return true;
  });
  return {
    setAppearance(next) {
      appearance = next;
    },
  };
};
