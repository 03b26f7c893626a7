import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createPlainStream, plainText } from "./plain-text.ts";

const nasty = fc.string({
  unit: fc.constantFrom(
    "\x1b",
    "[",
    "]",
    "P",
    "\\",
    "0",
    ";",
    "m",
    "\x07",
    "\x9b",
    "\u202e",
    "a",
    "\n",
    "é",
    "?",
    "\x18",
  ),
  maxLength: 60,
});
const ACTIVE = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

describe("text from elsewhere", () => {
  it("loses its control sequences and keeps its words", () => {
    expect(plainText("\x1b[31mred\x1b[0m \x1b]0;title\x07name\x1b]8;;http://x\x1b\\link\x1b(B\x1bc")).toBe(
      "red namelink",
    );
    expect(plainText("a\u202eb\u200ec\x00d")).toBe("abcd");
    expect(plainText("two\n\tlines")).toBe("two lines");
    expect(plainText("two\nlines", { layout: "lines" })).toBe("two\nlines");
  });

  it("has what the layout says in place of what was left out", () => {
    const text = "\x1b[1ma\x1b[0m\x00\n\tb\u2028c\r\n";
    expect(plainText(text)).toBe("a bc ");
    expect(plainText(text, { layout: "lines" })).toBe("a\n\tbc\n");
    expect(plainText(text, { layout: "spaced" })).toBe("a b c ");
    expect(plainText(text, { layout: "joined" })).toBe("abc");
  });

  it("is no longer than was asked for, and says where it was longer", () => {
    expect(plainText(" abc\n", { max: 3 })).toBe("abc");
    expect(plainText("\x1b[31m  abcd", { max: 3 })).toBe("abc…");
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 100 }), fc.integer({ min: 1, max: 300 }), (text, max) => {
        const shown = plainText(text, { layout: "lines", max });
        expect(shown.length).toBeLessThanOrEqual(max + 1);
        expect(shown).not.toMatch(ACTIVE);
      }),
    );
  });

  it("never acts on a terminal, whatever it is", () => {
    fc.assert(
      fc.property(nasty, (text) => {
        for (const layout of ["line", "lines"] as const) expect(plainText(text, { layout })).not.toMatch(ACTIVE);
        for (const layout of ["spaced", "joined"] as const) {
          const shown = plainText(text, { layout });
          expect(shown).not.toMatch(ACTIVE);
          expect(shown).not.toMatch(/[\t\n]/);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("never acts on a terminal when it comes in pieces, and loses no word", () => {
    fc.assert(
      fc.property(fc.array(nasty, { maxLength: 8 }), (pieces) => {
        const stream = createPlainStream();
        const shown = pieces.map((piece) => stream(new TextEncoder().encode(piece))).join("");
        expect(shown).not.toMatch(ACTIVE);
      }),
      { numRuns: 1000 },
    );
    const bytes = new TextEncoder().encode("boot \x1b[32mok\x1b[0m ü\r\nnext\x1b]0;t\x07 line\n");
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const stream = createPlainStream();
      expect(stream(bytes.subarray(0, cut)) + stream(bytes.subarray(cut))).toBe("boot ok ü\nnext line\n");
    }
  });

  it("is read in a time that grows with its length", () => {
    const text = "\x1b]".repeat(200_000) + "\x1b[".repeat(200_000);
    expect(plainText(text)).toBe("]".repeat(200_000) + "[".repeat(200_000));
  });

  it("does not wait for ever for the end of a sequence", () => {
    const stream = createPlainStream();
    expect(stream(new TextEncoder().encode(`\x1b]0;${"x".repeat(5000)}`))).toContain("xxx");
  });
});
