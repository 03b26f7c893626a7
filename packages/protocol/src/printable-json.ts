/** DEL and C1, which terminals act upon and JSON leaves as they are, and the marks that turn text around or hide it (UAX 9). */
const UNPRINTABLE = /[\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Indented JSON that may be printed on a terminal whatever strings are in it; the same value when it is read again. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
