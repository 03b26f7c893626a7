import { expect, it } from "vitest";
import { parseDuration } from "./duration.ts";

it.each([
  ["0", 0],
  ["90s", 90],
  ["30m", 1800],
  ["8h", 28_800],
  ["1d", 86_400],
  ["0h", 0],
  ["30", null],
  ["1.5h", null],
  ["-1m", null],
  ["m", null],
  ["1 h", null],
])("%s is %s seconds", (text, seconds) => {
  expect(parseDuration(text)).toBe(seconds);
});
