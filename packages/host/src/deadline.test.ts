import { expect, it } from "vitest";
import { readDeadlineFactor } from "./deadline.ts";

it("is 1 where nothing is said, and what is said otherwise", () => {
  expect(readDeadlineFactor({})).toBe(1);
  expect(readDeadlineFactor({ MICROTERM_DEADLINE_FACTOR: "4" })).toBe(4);
});

it.each(["", "0", "-1", "1.5", "1e2", "101", "four"])("refuses %j, and says what it takes", (text) => {
  expect(() => readDeadlineFactor({ MICROTERM_DEADLINE_FACTOR: text })).toThrow(
    /MICROTERM_DEADLINE_FACTOR must be .* 1 to 100/,
  );
});
