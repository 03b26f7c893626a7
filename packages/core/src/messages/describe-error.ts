import { plainText } from "@microterm/protocol";

/** Of an error, in UTF-16 units. */
const LONGEST_MESSAGE = 300;

/** An error in one line for a person. Messages may carry a guest's own text: bounded, no control characters. */
export function describeError(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return plainText(text, { layout: "spaced", max: LONGEST_MESSAGE });
}
