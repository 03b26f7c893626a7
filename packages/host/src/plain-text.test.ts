import fc from "fast-check";
import { expect, it } from "vitest";
import { createLineSplitter, LineTooLong } from "./lines.ts";
import { lastWords, plainText } from "./plain-text.ts";

it("leaves no control character, and no more than was asked for", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 100 }), fc.integer({ min: 1, max: 300 }), (text, max) => {
      const plain = plainText(text, max);
      expect(plain.length).toBeLessThanOrEqual(max + 1);
      expect(plain).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
    }),
  );
});

it("drops whole escape sequences", () => {
  expect(plainText("\u001b[1;31mred\u001b[0m \u001b]0;title\u0007text\u001b]8;;http://x\u001b\\link")).toBe(
    "red textlink",
  );
});

it("takes the last printable lines of a console", () => {
  expect(lastWords(Buffer.from("one\r\ntwo\r\n\u001b[2J\r\nthree\r\nfour\r\n\r\n"))).toBe("two | three | four");
  expect(lastWords(Buffer.alloc(0))).toBe("");
});

it("splits lines wherever the chunks end, and bounds each", () => {
  const text = fc.array(
    fc.string({ maxLength: 20 }).map((line) => line.replaceAll("\n", "")),
    { minLength: 1 },
  );
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 9 }), (lines, step) => {
      const seen: string[] = [];
      const split = createLineSplitter(200, (line) => seen.push(line));
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
      for (let at = 0; at < bytes.length; at += step) split(bytes.subarray(at, at + step));
      expect(seen).toEqual(lines);
    }),
  );
  const split = createLineSplitter(10, () => {});
  split(Buffer.from("0123456789"));
  expect(() => split(Buffer.from("x"))).toThrow(LineTooLong);
});
