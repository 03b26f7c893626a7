import { plainText } from "@microterm/protocol/text";

const MAX_LINES = 200;

/** Terminal output as plain text: its last 200 lines without control characters. */
export const plainLines = (output: string): string =>
  plainText(output, { layout: "lines" }).trimEnd().split("\n").slice(-MAX_LINES).join("\n");
