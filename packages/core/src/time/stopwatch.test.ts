import { expect, it } from "vitest";
import { Stopwatch } from "./stopwatch.ts";

it("measures steps in their order, and adds up one that is entered again", () => {
  let now = 1000;
  const stopwatch = new Stopwatch({ now: () => now });
  expect(stopwatch.read()).toEqual({ ms: 0, steps: {} });
  now = 1005;
  stopwatch.enter("disk");
  now = 1015;
  stopwatch.enter("machine");
  now = 1115;
  stopwatch.enter("disk");
  now = 1116;
  expect(stopwatch.read()).toEqual({ ms: 116, steps: { disk: 11, machine: 100 } });
  expect(Object.keys(stopwatch.read().steps)).toEqual(["disk", "machine"]);
  stopwatch.enter("kernel");
  now = 500;
  expect(stopwatch.read()).toEqual({ ms: 0, steps: { disk: 11, machine: 100, kernel: 0 } });
});
