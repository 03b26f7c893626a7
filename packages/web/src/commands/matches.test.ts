import { expect, it } from "vitest";
import { matches } from "./matches.ts";

it("is searched by words in any order, whatever their case and accents", () => {
  expect(matches("Find in this terminal", "term FIND")).toBe(true);
  expect(matches("Café (running)", "cafe")).toBe(true);
  expect(matches("Find in this terminal", "")).toBe(true);
  expect(matches("Find in this terminal", "find nothing")).toBe(false);
});
