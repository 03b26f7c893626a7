import { CONTROL } from "./plain-text.ts";

/** Indented JSON that may be printed on a terminal whatever strings are in it; the same value when it is read again. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    CONTROL,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
