import { plainText } from "@microterm/protocol";

/** The last printable lines of a console's tail, oldest first. */
export function lastWords(tail: Uint8Array, lines = 3): string {
  const text = Buffer.from(tail.subarray(-4096)).toString("utf8");
  const words = text
    .split("\n")
    .map((line) => plainText(line, { layout: "lines", max: 200 }))
    .filter((line) => line !== "");
  return words.slice(-lines).join(" | ");
}
