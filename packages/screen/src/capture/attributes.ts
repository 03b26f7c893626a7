/**
 * Attributes of a cell, brought to one form. xterm.js leaves bits in its words that have no effect (after a change from an RGB to a
 * palette colour, for one), so the words themselves can't be compared.
 */
import type { Extended } from "../xterm-internals.ts";

const COLOR_MODE = 0x3000000;
const P16 = 0x1000000;
const RGB = 0x3000000;
const UNDERLINE = 0x10000000;
const HAS_EXTENDED = 0x10000000;
const PROTECTED = 0x20000000;

export interface CellStyle {
  /** Colour and flags as in xterm.js's words, without bits that have no effect. */
  readonly fg: number;
  readonly bg: number;
  /** SGR 4:n, 0 where there is no underline; beyond {@link MAX_UNDERLINE} what no SGR can say. */
  readonly underline: number;
  /** A link's underline has it too. */
  readonly underlineColor: number;
  readonly link: number;
}

/** Dashed. */
const MAX_UNDERLINE = 5;
/** Underlined in no style: DECRC and DECALN bring the flag back without its style. */
const FLAG_ALONE = 8;
/** A style without the flag. */
const STYLE_ALONE = 16;

export const PLAIN: CellStyle = { fg: 0, bg: 0, underline: 0, underlineColor: 0, link: 0 };

export const colorOf = (word: number): number => {
  const mode = word & COLOR_MODE;
  if (mode === 0) return 0;
  return mode | (word & (mode === RGB ? 0xffffff : 0xff));
};

export const styleOf = (fgWord: number, bgWord: number, extended: Extended | undefined): CellStyle => {
  const isExtended = extended !== undefined && (bgWord & HAS_EXTENDED) !== 0;
  const ext = isExtended ? extended._ext : 0;
  const own = (ext >> 26) & 7;
  const isUnderlined = (fgWord & UNDERLINE) !== 0;
  const alone = own === 0 ? 0 : STYLE_ALONE + own;
  const underline = isUnderlined ? own || (isExtended ? FLAG_ALONE : 1) : alone;
  return {
    fg: colorOf(fgWord) | (fgWord & ~0x3ffffff),
    bg: colorOf(bgWord) | (bgWord & 0x6c000000),
    underline,
    underlineColor: colorOf(ext),
    link: isExtended ? extended.urlId : 0,
  };
};

/** Can SGR and OSC 8 make it? */
export const isSayable = ({ underline, underlineColor, link }: CellStyle): boolean =>
  underline <= MAX_UNDERLINE && (underlineColor === 0 || underline > 0 || link !== 0);

export const isSameStyle = (a: CellStyle, b: CellStyle): boolean =>
  a.fg === b.fg &&
  a.bg === b.bg &&
  a.underline === b.underline &&
  a.underlineColor === b.underlineColor &&
  a.link === b.link;

const FLAGS: readonly (readonly [word: "fg" | "bg", bit: number, code: number])[] = [
  ["fg", 0x8000000, 1],
  ["bg", 0x8000000, 2],
  ["bg", 0x4000000, 3],
  ["fg", 0x20000000, 5],
  ["fg", 0x4000000, 7],
  ["fg", 0x40000000, 8],
  ["fg", 0x80000000, 9],
  ["bg", 0x40000000, 53],
];

const colorCodes = (word: number, base: 30 | 40): string => {
  const mode = word & COLOR_MODE;
  if (mode === 0) return "";
  if (mode === RGB) return `;${base + 8};2;${(word >> 16) & 255};${(word >> 8) & 255};${word & 255}`;
  const index = word & 255;
  if (mode === P16 && index < 16) return `;${index < 8 ? base + index : base + 52 + index}`;
  return `;${base + 8};5;${index}`;
};

const underlineCodes = ({ underline, underlineColor }: CellStyle): string => {
  let codes = underline > MAX_UNDERLINE || underline === 0 ? "" : underline > 1 ? `;4:${underline}` : ";4";
  const mode = underlineColor & COLOR_MODE;
  if (mode === RGB) {
    codes += `;58:2::${(underlineColor >> 16) & 255}:${(underlineColor >> 8) & 255}:${underlineColor & 255}`;
  } else if (mode !== 0) codes += `;58:5:${underlineColor & 255}`;
  return codes;
};

/** SGR that sets these attributes whatever was set before (ECMA-48 8.3.117, underlines as in kitty). Links apart. */
export const sgrOf = (style: CellStyle): string => {
  let codes = "0";
  for (const [word, bit, code] of FLAGS) if ((style[word] & bit) !== 0) codes += `;${code}`;
  return `\x1b[${codes}${underlineCodes(style)}${colorCodes(style.fg, 30)}${colorCodes(style.bg, 40)}m`;
};

/** DECSCA, which SGR 0 resets too in xterm.js. */
export const isProtected = (style: CellStyle): boolean => (style.bg & PROTECTED) !== 0;
