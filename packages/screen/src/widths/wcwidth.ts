/** Widths as the guest's programs have them: glibc's wcwidth(3). */
import { WIDE, ZERO } from "./wcwidth-table.ts";

/** Characters up to here are looked up in a table of a byte each. */
const TABLE = 0x20000;

const table = new Uint8Array(TABLE).fill(1);
const beyond: (readonly [from: number, to: number, width: number])[] = [];

const add = (ranges: string, width: number): void => {
  let end = 0;
  for (const range of ranges.split(" ")) {
    const [gap = "0", more = "0"] = range.split("+");
    const from = end + Number.parseInt(gap, 36);
    end = from + Number.parseInt(more, 36);
    if (from < TABLE) table.fill(width, from, Math.min(end + 1, TABLE));
    else beyond.push([from, end, width]);
  }
};
add(ZERO, 0);
add(WIDE, 2);

/** Columns of a character that is no control character: 0, 1 or 2. */
export const wcwidth = (codePoint: number): 0 | 1 | 2 => {
  if (codePoint < TABLE) return table[codePoint] as 0 | 1 | 2;
  for (const [from, to, width] of beyond) if (codePoint >= from && codePoint <= to) return width as 0 | 2;
  return 1;
};
