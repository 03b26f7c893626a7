import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describeError, lastLine } from "./words.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("a console's last line", () => {
  it.each([
    ["", null],
    ["\r\n \r\n", null],
    ["Booting\r\nUnable to calibrate against PIT\r\n", "Unable to calibrate against PIT"],
    ["[    1.0] \u001b[1;31mKernel panic\u001b[0m\n\n", "[    1.0] Kernel panic"],
    ["a\u0007b\u0000c", "a b c"],
  ])("of %j is %j", (text, line) => {
    expect(lastLine(bytes(text))).toBe(line);
  });

  it("is short and has no control character, whatever a guest prints", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4096 }), (tail) => {
        const line = lastLine(tail);
        if (line === null) return;
        expect(line.length).toBeLessThanOrEqual(161);
        expect(line).toMatch(/^[\x20-\x7e]+…?$/);
      }),
    );
  });
});

it("describes any error in one bounded line", () => {
  expect(describeError(new Error("\u001b]0;title\u0007no\nmore\u202e"))).toBe("]0;title no more");
  expect(describeError("x".repeat(1000))).toHaveLength(301);
});
