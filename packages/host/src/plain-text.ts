/** Control characters (C0 but newline and tab, DEL, C1), and those that reorder text. */
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;
/** CSI and OSC sequences (ECMA-48 5.4, 8.3.89), so that their parameters do not stay behind as text. */
const ESCAPES = /\u001b\[[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]{0,4096}(?:\u0007|\u001b\\)/g;

/** A guest's or a VMM's words made safe to show and to log: no control characters, at most `max` characters. */
export function plainText(text: string, max = 500): string {
  const clean = text.replace(ESCAPES, "").replace(UNPRINTABLE, "").trim();
  return clean.length > max ? `${clean.slice(0, max)}…` : clean;
}

/** The last printable lines of a console's tail, oldest first. */
export function lastWords(tail: Uint8Array, lines = 3): string {
  const text = Buffer.from(tail.subarray(-4096)).toString("utf8");
  const words = text
    .split("\n")
    .map((line) => plainText(line, 200))
    .filter((line) => line !== "");
  return words.slice(-lines).join(" | ");
}
