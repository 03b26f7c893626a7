import { CONTROL, escapeControl } from "./plain-text.ts";

/** Indented JSON that may be printed on a terminal whatever strings are in it; the same value when it is read again. */
export const printableJson = (value: unknown): string => printable(JSON.stringify(value, null, 2));

/** The same on one line. */
export const printableJsonLine = (value: unknown): string => printable(JSON.stringify(value));

const printable = (json: string): string => json.replace(CONTROL, escapeControl);
