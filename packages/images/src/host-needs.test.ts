import { expect, test } from "vitest";
import { hasSubordinateIds } from "./host-needs.ts";

const user = { username: "ann", uid: 1000 };

test.each([
  ["ann:100000:65536\n", true],
  ["1000:100000:65536\n", true],
  ["bob:100000:65536\n", false],
  ["ann:100000:1000\n", false],
  ["", false],
])("subordinate ids in %j: %s", (text, expected) => {
  expect(hasSubordinateIds(text, user)).toBe(expected);
});
