import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createPlainStream, plain } from "./plain-text.ts";

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
const ACTIVE = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;

describe("text from elsewhere", () => {
  it("loses its control sequences and keeps its words", () => {
    expect(plain("\x1b[31mred\x1b[0m \x1b]0;title\x07name\x1b]8;;http://x\x1b\\link\x1b(B\x1bc")).toBe("red namelink");
    expect(plain("a\u202eb\u200ec\x00d")).toBe("abcd");
    expect(plain("two\n\tlines")).toBe("two lines");
    expect(plain("two\nlines", { keepLines: true })).toBe("two\nlines");
  });

  it("never acts on a terminal, whatever it is", () => {
    fc.assert(
      fc.property(nasty, (text) => {
        expect(plain(text)).not.toMatch(ACTIVE);
        expect(plain(text, { keepLines: true })).not.toMatch(ACTIVE);
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
    expect(plain(text)).toBe("]".repeat(200_000) + "[".repeat(200_000));
  });

  it("does not wait for ever for the end of a sequence", () => {
    const stream = createPlainStream();
    expect(stream(new TextEncoder().encode(`\x1b]0;${"x".repeat(5000)}`))).toContain("xxx");
  });
});
