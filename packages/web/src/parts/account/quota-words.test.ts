import { expect, test } from "vitest";
import { amountWords, isUsedUp, limitsOf } from "./quota-words.ts";

test("an amount has its unit", () => {
  expect(amountWords("memoryMib", 512)).toBe("512 MiB");
  expect(amountWords("diskMib", 2560)).toBe("2.5 GiB");
  expect(amountWords("hoursPerDay", 2.5499)).toBe("2.5");
  expect(amountWords("cpus", null)).toBe("no limit");
});

test("a limit is used up when nothing is left of it", () => {
  expect([isUsedUp(2, 1), isUsedUp(2, 2), isUsedUp(0, 0), isUsedUp(null, 9)]).toEqual([false, true, true, false]);
});

test("limits have every name", () => {
  expect(limitsOf((name) => (name === "cpus" ? 3 : null))).toMatchObject({ cpus: 3, hoursPerDay: null });
});
