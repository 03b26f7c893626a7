import { expect, test } from "vitest";
import { isStray } from "./stray-click.ts";

const create = { at: 1000, x: 900, y: 20, control: "create" };
const stop = { at: 1200, x: 902, y: 21, control: "stop" };

test("is the second of a double click that hits another control", () => {
  expect(isStray(create, stop)).toBe(true);
  expect(isStray(null, stop)).toBe(false);
  expect(isStray(create, { ...stop, control: "create" })).toBe(false);
  expect(isStray(create, { ...stop, at: 1600 })).toBe(false);
  expect(isStray(create, { ...stop, x: 960 })).toBe(false);
});
