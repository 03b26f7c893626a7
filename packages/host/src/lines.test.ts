import fc from "fast-check";
import { expect, it } from "vitest";
import { createLineSplitter, LineTooLong } from "./lines.ts";

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
