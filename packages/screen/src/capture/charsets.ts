import { type Charset, coreOf } from "../xterm-internals.ts";

/** The replacements of each set of xterm.js, in the order of its keys, by the final byte that designates it. */
const SETS: readonly (readonly [final: string, replacements: string])[] = [
  ["0", "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·"],
  ["A", "£"],
  ["4", "£¾ij½|¨f¼´"],
  ["C", "ÄÖÅÜéäöåü"],
  ["R", "£à°ç§éùè¨"],
  ["Q", "àâçêîôéùèû"],
  ["K", "§ÄÖÜäöüß"],
  ["Y", "£§°çéùàòèì"],
  ["E", "ÄÆØÅÜäæøåü"],
  ["Z", "£§¡Ñ¿°ñç"],
  ["H", "ÉÄÖÅÜéäöåü"],
  ["=", "ùàéçêîèôäöüû"],
];
const FINALS = new Map(SETS.map(([final, replacements]) => [replacements, final]));

/** The byte behind `ESC (` that designates this set; `B` is ASCII. */
export const charsetFinal = (charset: Charset): string =>
  charset === undefined ? "B" : (FINALS.get(Object.values(charset).join("")) ?? "B");

/** xterm.js does not publish its sets: the one behind `final` is taken from whichever slot holds it. */
export const charsetOf = (terminal: object, final: string): Charset => {
  if (final === "B") return undefined;
  const { _charsets } = coreOf(terminal)._charsetService;
  return _charsets.find((charset) => charsetFinal(charset) === final) ?? makeSet(final);
};

const KEYS: Readonly<Record<string, string>> = {
  "0": "`abcdefghijklmnopqrstuvwxyz{|}~",
  A: "#",
  "4": "#@[\\]{|}~",
  C: "[\\]^`{|}~",
  R: "#@[\\]{|}~",
  Q: "@[\\]^`{|}~",
  K: "@[\\]{|}~",
  Y: "#@[\\]`{|}~",
  E: "@[\\]^`{|}~",
  Z: "#@[\\]{|}",
  H: "@[\\]^`{|}~",
  "=": "#@[\\]^_`{|}~",
};

/** Of the Dutch set one replacement has two letters. */
const makeSet = (final: string): Charset => {
  const replacements = SETS.find(([name]) => name === final)?.[1];
  if (replacements === undefined) return undefined;
  const letters = final === "4" ? ["£", "¾", "ij", ...replacements.slice(4)] : [...replacements];
  return Object.fromEntries([...(KEYS[final] ?? "")].map((key, i) => [key, letters[i] ?? key]));
};
