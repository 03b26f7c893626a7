/** Answers to queries that a headless xterm.js leaves to a renderer: colours (OSC 4, 10, 11, 12) and its version. */
import type { Appearance } from "@microterm/protocol";
import type { ScreenTerminal } from "@microterm/screen";

/** xterm's own, for a terminal that nobody has looked at yet. */
const NOBODYS: Appearance = { foreground: "#e5e5e5", background: "#000000", cursor: "#e5e5e5" };
const ANSI = [
  ["#000000", "#cd0000", "#00cd00", "#cdcd00", "#0000ee", "#cd00cd", "#00cdcd", "#e5e5e5"],
  ["#7f7f7f", "#ff0000", "#00ff00", "#ffff00", "#5c5cff", "#ff00ff", "#00ffff", "#ffffff"],
].flat();
/** Questions in one sequence that are answered: each makes a reply some five times its length. */
const MAX_QUESTIONS = 16;

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

/** `rgb:h/h/h` and `#rgb` of one to four digits a channel (XParseColor(3)); null for anything else. */
export const parseColor = (spec: string): Channels | null => {
  const slashes = /^rgb:([0-9a-f]{1,4})\/([0-9a-f]{1,4})\/([0-9a-f]{1,4})$/i.exec(spec);
  if (slashes !== null) {
    return slashes
      .slice(1)
      .map((digits) => Math.round((Number.parseInt(digits, 16) / (16 ** digits.length - 1)) * 255)) as never;
  }
  const hash = /^#([0-9a-f]{3}|[0-9a-f]{6}|[0-9a-f]{9}|[0-9a-f]{12})$/i.exec(spec)?.[1];
  if (hash === undefined) return null;
  const digits = hash.length / 3;
  return [0, 1, 2].map((i) => {
    const channel = hash.slice(i * digits, (i + 1) * digits);
    return digits === 1 ? Number.parseInt(channel, 16) << 4 : Number.parseInt(channel.slice(0, 2), 16);
  }) as never;
};

export interface QueryAnswers {
  setAppearance(appearance: Appearance): void;
}

/** `answer` gets what to send to the program. */
export const answerQueries = (terminal: ScreenTerminal, answer: (text: string) => void): QueryAnswers => {
  let appearance = NOBODYS;
  const indexed = new Map<number, Channels>();
  const dynamic = new Map<number, Channels>();
  const tell = (prefix: string, [r, g, b]: Channels): void => {
    const hex = (n: number) => n.toString(16).padStart(2, "0").repeat(2);
    answer(`\x1b]${prefix};rgb:${hex(r)}/${hex(g)}/${hex(b)}\x1b\\`);
  };
  const colorOf = (index: number): Channels =>
    indexed.get(index) ??
    (index < 16 ? ofHex(appearance.palette?.[index] ?? ANSI[index] ?? "#000000") : ofIndex(index));
  const dynamicOf = (code: number): Channels =>
    dynamic.get(code) ??
    ofHex(code === 10 ? appearance.foreground : code === 11 ? appearance.background : appearance.cursor);

  terminal.parser.registerOscHandler(4, (data) => {
    const parts = data.split(";", MAX_QUESTIONS * 2);
    for (let i = 0; i + 1 < parts.length; i += 2) {
      const index = /^\d{1,3}$/.test(parts[i] ?? "") ? Number(parts[i]) : 256;
      const spec = parts[i + 1] ?? "";
      if (index > 255) continue;
      const color = parseColor(spec);
      if (spec === "?") tell(`4;${index}`, colorOf(index));
      else if (color !== null) indexed.set(index, color);
    }
    return false;
  });
  terminal.parser.registerOscHandler(104, (data) => {
    if (data === "") indexed.clear();
    for (const part of data.split(";", 256)) indexed.delete(Number(part || Number.NaN));
    return false;
  });
  for (const first of [10, 11, 12]) {
    terminal.parser.registerOscHandler(first, (data) => {
      for (const [i, spec] of data.split(";", 3).entries()) {
        const code = first + i;
        const color = parseColor(spec);
        if (code > 12) break;
        if (spec === "?") tell(`${code}`, dynamicOf(code));
        else if (color !== null) dynamic.set(code, color);
      }
      return false;
    });
    terminal.parser.registerOscHandler(first + 100, () => {
      dynamic.delete(first);
      return false;
    });
  }
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
