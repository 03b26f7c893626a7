import { describe, expect, test } from "vitest";
import { createWheelRows } from "./wheel.ts";

const rowsOf = (...steps: readonly (readonly [deltaY: number, deltaMode?: number])[]): number[] => {
  const rows = createWheelRows();
  return steps.map(([deltaY, deltaMode = 0]) => rows({ deltaY, deltaMode }, 20, 24));
};

describe("the wheel", () => {
  test.each([
    ["a notch is three rows", [[100], [100], [-100]], [3, 3, -3]],
    [
      "a notch reported in lines or pages",
      [
        [3, 1],
        [-1, 2],
      ],
      [3, -24],
    ],
    ["a notch of another size leaves nothing out", [[120], [120], [120], [120], [120]], [3, 4, 3, 4, 4]],
    ["small steps add up", [[5], [5], [5], [5], [8], [12]], [0, 0, 0, 1, 0, 1]],
    ["turning back forgets the rest", [[19], [-1], [-19]], [0, 0, -1]],
  ] as const)("%s", (_, steps, rows) => expect(rowsOf(...steps)).toEqual(rows));
});
