import { expect, it } from "vitest";
import { createOnceAMinute } from "./once-a-minute.ts";

it("is the first of its key once a minute", () => {
  const time = { now: 1_800_000_000_000 };
  const isFirst = createOnceAMinute({ now: () => time.now });
  expect([isFirst("a"), isFirst("a"), isFirst("b"), isFirst("a")]).toEqual([true, false, true, false]);
  time.now += 60_000;
  expect([isFirst("b"), isFirst("a"), isFirst("a")]).toEqual([true, true, false]);
});
