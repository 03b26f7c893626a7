import { expect, test } from "vitest";
import { startSteps } from "./start-steps.ts";

test("a boot is told step by step, with what there is to say of it", () => {
  const { flow, steps, current, remark } = startSteps("kernel (second attempt: it hung)", "boot");
  expect([flow, steps[current]?.words, remark]).toEqual(["boot", "Starting Linux", "(second attempt: it hung)"]);
});

test("steps that several starts share belong to the one that is under way", () => {
  expect(startSteps("agent", "resume")).toMatchObject({ flow: "resume", current: 1 });
  expect(startSteps("agent", "restore")).toMatchObject({ flow: "restore", current: 1 });
  expect(startSteps("terminal", null)).toMatchObject({ flow: "boot", current: 4 });
  expect(startSteps(null, "restore")).toMatchObject({ flow: "restore", current: -1 });
});

test("a start that falls back to another kind is told as that one", () => {
  expect(startSteps("disk", "claim")).toMatchObject({ flow: "boot", current: 0 });
});

test("anything else is no step", () => expect(startSteps("constructor", null).current).toBe(-1));
