import { expect, it } from "vitest";
import { type Attempts, createAttempts } from "./attempts.ts";

const LIMITS = { limit: 3, windowMs: 1000 };

async function beginTimes(attempts: Attempts, times: number): Promise<boolean[]> {
  const begun: boolean[] = [];
  for (let at = 0; at < times; at++) begun.push(await attempts.begin("a"));
  return begun;
}

it("lets each key begin so often in a time, counted from its first", async () => {
  let now = 0;
  const attempts = createAttempts(LIMITS, () => now);
  expect(await beginTimes(attempts, 4)).toEqual([true, true, true, false]);
  expect(await attempts.begin("b")).toBe(true);
  now = 999;
  expect(await attempts.begin("a")).toBe(false);
  now = 1000;
  expect(await attempts.begin("a")).toBe(true);
});

it("does not count what has succeeded", async () => {
  const attempts = createAttempts(LIMITS, () => 0);
  for (let at = 0; at < 10; at++) {
    expect(await attempts.begin("a")).toBe(true);
    await attempts.succeeded("a");
  }
  await attempts.succeeded("unknown");
  expect(await beginTimes(attempts, 4)).toEqual([true, true, true, false]);
});

it("forgets the key that began first when there are too many", async () => {
  const attempts = createAttempts(LIMITS, () => 0, { keys: 4 });
  await beginTimes(attempts, 3);
  for (const key of ["b", "c", "d"]) await attempts.begin(key);
  expect(await attempts.begin("a")).toBe(false);
  await attempts.begin("e");
  expect(await attempts.begin("a")).toBe(true);
});
