import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { continuation } from "./logs.ts";

describe("following a console", () => {
  it("finds where the new bytes begin, also when the tail has moved on", () => {
    // Distinct bytes: in a console that repeats itself several answers are right.
    const stream = Buffer.from(Array.from({ length: 4000 }, (_, index) => `line ${index}\n`).join(""));
    fc.assert(
      fc.property(
        fc.integer({ min: 600, max: 4000 }),
        fc.nat(3000),
        fc.integer({ min: 600, max: 4000 }),
        (from, added, tail) => {
          const tailAt = (end: number) => stream.subarray(Math.max(0, end - tail), end);
          const [last, next] = [tailAt(from), tailAt(from + added)];
          const begin = continuation(last, next);
          if (last.length > 0 && added <= tail - 512) expect(next.length - begin).toBe(added);
          else expect(next.length - begin).toBeGreaterThanOrEqual(Math.min(added, next.length));
        },
      ),
    );
  });

  it("starts over with a console that has nothing of the last one", () => {
    expect(continuation(Buffer.from("old boot"), Buffer.from("new boot of another kernel"))).toBe(0);
  });
});
