/**
 * What xterm.js 6.0 keeps but does not publish, read in this one file. addon-serialize reads the same fields. The
 * version is pinned exactly, and screen-keeper.test.ts fails when a field moves.
 */
import type { Terminal } from "@xterm/xterm";

interface Attributes {
  isBold(): number;
  isDim(): number;
  isItalic(): number;
  isUnderline(): number;
  isBlink(): number;
  isInverse(): number;
  isInvisible(): number;
  isStrikethrough(): number;
  isOverline(): number;
  isFgRGB(): boolean;
  isBgRGB(): boolean;
  isFgPalette(): boolean;
  isBgPalette(): boolean;
  getFgColor(): number;
  getBgColor(): number;
}

type Charset = Readonly<Record<string, string>> | undefined;

interface InternalBuffer {
  x: number;
  y: number;
  readonly ybase: number;
  readonly scrollTop: number;
  readonly scrollBottom: number;
  readonly savedX: number;
  readonly savedY: number;
  readonly savedCurAttrData: Attributes;
  readonly tabs: Readonly<Record<number, boolean | undefined>>;
}

interface Core {
  readonly buffer: InternalBuffer;
  readonly buffers: { readonly normal: InternalBuffer; readonly alt: InternalBuffer };
  readonly coreService: {
    readonly isCursorHidden: boolean;
    readonly decPrivateModes: { readonly cursorStyle?: string; readonly cursorBlink?: boolean };
    onUserInput(listener: () => void): { dispose(): void };
  };
  readonly coreMouseService: { readonly activeEncoding: string };
  readonly _charsetService: { readonly glevel: number; readonly _charsets: readonly Charset[] };
  readonly _inputHandler: {
    readonly _curAttrData: Attributes;
    readonly _parser: { readonly currentState: number; precedingJoinState: number };
    readonly _utf8Decoder: { readonly interim: Uint8Array };
  };
}

export const coreOf = (terminal: Terminal): Core => (terminal as unknown as { readonly _core: Core })._core;

/** Is the parser between two sequences, with no half of a UTF-8 character pending? */
export const isAtGround = (terminal: Terminal): boolean => {
  const { _parser, _utf8Decoder } = coreOf(terminal)._inputHandler;
  return _parser.currentState === 0 && _utf8Decoder.interim.every((byte) => byte === 0);
};

/** `0` for DEC special graphics, `B` (ASCII) for anything else: national sets are not told apart. */
export const charsetFinal = (charset: Charset): "0" | "B" => (charset?.q === "─" ? "0" : "B");

const color = (base: 38 | 48, rgb: boolean, palette: boolean, value: number): number[] => {
  if (rgb) return [base, 2, (value >> 16) & 255, (value >> 8) & 255, value & 255];
  return palette ? [base, 5, value] : [];
};

/** SGR that sets these attributes whatever was set before (ECMA-48 8.3.117). Underline styles and colours are lost. */
export const sgrOf = (a: Attributes): string => {
  const codes = [0];
  const flags: readonly [number, number][] = [
    [a.isBold(), 1],
    [a.isDim(), 2],
    [a.isItalic(), 3],
    [a.isUnderline(), 4],
    [a.isBlink(), 5],
    [a.isInverse(), 7],
    [a.isInvisible(), 8],
    [a.isStrikethrough(), 9],
    [a.isOverline(), 53],
  ];
  for (const [on, code] of flags) if (on) codes.push(code);
  codes.push(...color(38, a.isFgRGB(), a.isFgPalette(), a.getFgColor()));
  codes.push(...color(48, a.isBgRGB(), a.isBgPalette(), a.getBgColor()));
  return `\x1b[${codes.join(";")}m`;
};
