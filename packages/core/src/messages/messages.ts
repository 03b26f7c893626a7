/** What errors and guests say, as a person may see it. */

/** Of an error, in UTF-16 units. */
const LONGEST_MESSAGE = 300;

/** An error in one line for a person. Messages may carry a guest's own text: bounded, no control characters. */
export function describeError(error: unknown): string {
  return printable(error instanceof Error ? error.message : String(error), LONGEST_MESSAGE);
}

/** One line without control characters, of at most so many UTF-16 units. */
export function printable(text: string, longest: number): string {
  const clean = text
    // CSI sequences whole (ECMA-48 5.4), then every control character that is left.
    .replace(/\u001b\[[0-?]*[ -/]*[@-~]/g, "")
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, " ")
    .trim();
  return clean.length > longest ? `${clean.slice(0, longest)}…` : clean;
}
