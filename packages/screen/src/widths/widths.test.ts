import { describe, expect, test } from "vitest";
import { createRig, encode } from "../testing/rig.ts";
import { wcwidth } from "./wcwidth.ts";

/** What stands in the row, cell by cell, and where the cursor is. */
const shown = (text: string, row = 0) => {
  const { terminal, screen } = createRig(40, 3);
  screen.writeNow(encode(text));
  const line = terminal.buffer.active.getLine(row);
  const cells = Array.from({ length: 12 }, (_, x) => line?.getCell(x)).flatMap((cell) =>
    cell === undefined || cell.getChars() === "" ? [] : [`${cell.getChars()}${cell.getWidth()}`],
  );
  return [cells.join(" "), terminal.buffer.active.cursorX];
};
const GRAPHEMES = "\x1b[?2027h";

describe("columns of a character", () => {
  test.each([
    ["a letter", "a", 1],
    ["Han", "日", 2],
    ["an emoji", "👩", 2],
    ["a warning sign, which is text by itself", "⚠", 1],
    ["variation selector 16", "\ufe0f", 0],
    ["a joiner", "\u200d", 0],
    ["a skin tone", "🏽", 2],
    ["a regional indicator", "🇩", 1],
    ["the keycap's box", "\u20e3", 0],
    ["a mark", "\u0301", 0],
    ["Devanagari: a letter", "क", 1],
    ["Devanagari: virama", "\u094d", 0],
    ["Devanagari: a vowel sign with columns", "\u093f", 1],
    ["Hangul's medial letters", "\u1161", 0],
    ["a soft hyphen", "\u00ad", 1],
    ["what is not assigned", "\u0378", 1],
    ["Han of the third plane", "\u{30000}", 2],
    ["a tag", "\u{e0041}", 0],
  ])("is glibc's: %s", (_, char, width) => expect(wcwidth(char.codePointAt(0) ?? 0)).toBe(width));
});

describe("a terminal", () => {
  test.each([
    ["variation selector 16", "⚠️x", "⚠️1 x1", 2, "⚠️2 x1", 3],
    ["joined people", "👩‍👩‍👧x", "👩‍2 👩‍2 👧2 x1", 7, "👩‍👩‍👧2 x1", 3],
    ["a skin tone", "👍🏽x", "👍2 🏽2 x1", 5, "👍🏽2 x1", 3],
    ["a keycap", "1️⃣x", "1️⃣1 x1", 2, "1️⃣2 x1", 3],
    ["a flag", "🇩🇪x", "🇩1 🇪1 x1", 3, "🇩🇪2 x1", 3],
  ])("counts as the C library does, and by graphemes where a program asks: %s", (_, text, own, x, joined, joinedX) => {
    expect(shown(text)).toEqual([own, x]);
    expect(shown(GRAPHEMES + text)).toEqual([joined, joinedX]);
    expect(shown(`${GRAPHEMES}\x1b[?2027l${text}`)).toEqual([own, x]);
    for (const reset of ["\x1b[!p", "\x1bc"]) expect(shown(`${GRAPHEMES}${reset}${text}`)).toEqual([own, x]);
  });

  test("has Devanagari as wide as bash and vim take it", () => {
    expect(shown("क्षिx")).toEqual(["क्1 ष1 ि1 x1", 4]);
  });

  test("puts a mark on what is before the cursor, whatever moved it there, and on nothing in the first column", () => {
    expect(shown("abc\x1b[2G\u0301x")).toEqual(["á1 x1 c1".normalize("NFD"), 2]);
    expect(shown("日\r\x1b[2C\ufe0fx")).toEqual(["日\ufe0f2 x1", 3]);
    expect(shown("\u0301\u200dabc")).toEqual(["a1 b1 c1", 3]);
  });

  test("answers which it counts by", () => {
    const { screen, heard } = createRig(20, 3);
    const ask = (text: string): string => {
      screen.writeNow(encode(`${text}\x1b[?2027$p`));
      return heard.answers();
    };
    expect(ask("")).toBe("\x1b[?2027;2$y");
    expect(ask(GRAPHEMES)).toBe("\x1b[?2027;1$y");
    expect(ask("\x1bc")).toBe("\x1b[?2027;2$y");
  });
});
