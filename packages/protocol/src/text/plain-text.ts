/** A control sequence (ECMA-48): CSI, a string such as OSC or DCS with its end, or a short escape. */
const SEQUENCE = /\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b(?:[ -/]+[0-~]|[0-OQ-WYZ\\`-~])/g;
/** What else a terminal or a page acts upon: C0, DEL, C1, and the marks that end a line, turn text around or hide it (UAX 9). */
export const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
/** As JSON and YAML write it between quotation marks. */
export const escapeControl = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
const BREAKS = /[\t\n]+/g;
const CONTROLS_AND_BREAKS = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+/g;

/** What takes the place of control characters, line ends and tabs. Whole sequences are always left out. */
const LAYOUTS = {
  /** Line ends and tabs become spaces. */
  line: (text: string) => text.replace(CONTROL, "").replace(BREAKS, " "),
  /** Line ends and tabs stay. */
  lines: (text: string) => text.replace(CONTROL, ""),
  /** A space stands wherever something was. */
  spaced: (text: string) => text.replace(CONTROLS_AND_BREAKS, " "),
  /** Nothing does. */
  joined: (text: string) => text.replace(CONTROLS_AND_BREAKS, ""),
} as const;

export interface PlainTextOptions {
  /** `line` where none is given. */
  readonly layout?: keyof typeof LAYOUTS;
  /** Without space around it, and `…` for what is past so many UTF-16 units. */
  readonly max?: number;
}

/** `text` of a guest, a program or another machine, without anything that a terminal or a page would act upon. */
export function plainText(text: string, { layout = "line", max }: PlainTextOptions = {}): string {
  const plain = LAYOUTS[layout](text.replace(SEQUENCE, ""));
  if (max === undefined) return plain;
  const trimmed = plain.trim();
  return trimmed.length > max ? `${trimmed.slice(0, max)}…` : trimmed;
}

/** An unfinished sequence is held for its end up to this length; past it, it is no sequence. */
const MAX_HELD = 4096;

/** {@link plainText} with lines kept, for bytes in pieces: a sequence may be cut anywhere. */
export function createPlainStream(): (bytes: Uint8Array) => string {
  const decoder = new TextDecoder();
  let held = "";
  return (bytes) => {
    const text = held + decoder.decode(bytes, { stream: true });
    const bare = text.replace(SEQUENCE, "");
    const cut = bare.lastIndexOf("\x1b");
    // An escape that is still there has no end yet.
    const isUnfinished = cut !== -1 && bare.length - cut <= MAX_HELD;
    held = isUnfinished ? bare.slice(cut) : "";
    return (isUnfinished ? bare.slice(0, cut) : bare).replace(CONTROL, "");
  };
}
