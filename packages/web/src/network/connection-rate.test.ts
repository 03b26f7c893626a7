import { expect, it } from "vitest";
import { newPerSecond, rateWords } from "./connection-rate.ts";

it("takes two looks at the same machine", () => {
  const now = { opened: 120, at: 4000 };
  expect(newPerSecond({ opened: 20, at: 2000 }, now)).toBe(50);
  expect(newPerSecond({ opened: 120, at: 2000 }, now)).toBe(0);
  const none = [null, { opened: null, at: 2000 }, { opened: 121, at: 2000 }, { opened: 20, at: 4000 }];
  for (const before of none) expect(newPerSecond(before, now)).toBeNull();
  expect(newPerSecond({ opened: 20, at: 2000 }, { opened: null, at: 4000 })).toBeNull();
});

it.each([
  [0, "0"],
  [0.5, "0.5"],
  [9.96, "10.0"],
  [12.4, "12"],
  [1234, "1,234"],
])("%d is written %j", (rate, words) => {
  expect(rateWords(rate)).toBe(words);
});
