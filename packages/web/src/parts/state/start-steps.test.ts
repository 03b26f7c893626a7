import type { BootStep } from "@microterm/protocol";
import { expect, test } from "vitest";
import { type Flow, startSteps } from "./start-steps.ts";

const started = (step: BootStep | null, before: Flow | null) => startSteps({ operation: "start", step }, before);

test("a boot is shown step by step", () => {
  const { flow, steps, current } = started("kernel", "boot");
  expect([flow, steps[current]?.words]).toEqual(["boot", "Starting Linux"]);
});

test("steps that several starts share belong to the one that is under way", () => {
  expect(startSteps({ operation: "resume", step: "agent" }, null)).toMatchObject({ flow: "resume", current: 1 });
  expect(started("agent", "restore")).toMatchObject({ flow: "restore", current: 1 });
  expect(started("terminal", null)).toMatchObject({ flow: "boot", current: 4 });
  expect(started(null, "restore")).toMatchObject({ flow: "restore", current: -1 });
});

test("a start that falls back to another kind is shown as that one", () => {
  expect(started("disk", "claim")).toMatchObject({ flow: "boot", current: 0 });
});
