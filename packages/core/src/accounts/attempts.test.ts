import { expect, it } from "vitest";
import { createAttempts } from "./attempts.ts";

const LIMITS = { limit: 3, windowMs: 1000, keys: 4 };

it("lets each key begin so often in a time, counted from its first", () => {
  let now = 0;
  const attempts = createAttempts(LIMITS, () => now);
  expect([1, 2, 3, 4].map(() => attempts.begin("a"))).toEqual([true, true, true, false]);
  expect(attempts.begin("b")).toBe(true);
  now = 999;
  expect(attempts.begin("a")).toBe(false);
  now = 1000;
  expect(attempts.begin("a")).toBe(true);
});

it("does not count what has succeeded", () => {
  const attempts = createAttempts(LIMITS, () => 0);
  for (let at = 0; at < 10; at++) {
    expect(attempts.begin("a")).toBe(true);
    attempts.succeeded("a");
  }
  attempts.succeeded("unknown");
  expect([1, 2, 3, 4].map(() => attempts.begin("a"))).toEqual([true, true, true, false]);
});

it("forgets the key that began first when there are too many", () => {
  const attempts = createAttempts(LIMITS, () => 0);
  for (const _attempt of [1, 2, 3]) attempts.begin("a");
  for (const key of ["b", "c", "d"]) attempts.begin(key);
  expect(attempts.begin("a")).toBe(false);
  attempts.begin("e");
  expect(attempts.begin("a")).toBe(true);
});
