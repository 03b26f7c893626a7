import { expect, test } from "vitest";
import { isThemeColor } from "./contrast.ts";

test.each([
  ["the foreground", 0, 0, true],
  ["one of the sixteen", 0x1000000, 4, true],
  ["the same by its number of 256", 0x2000000, 15, true],
  ["one of the cube", 0x2000000, 16, false],
  ["a grey", 0x2000000, 235, false],
  ["red, green and blue", 0x3000000, 0x282828, false],
])("contrast is the theme's affair alone: %s", (_, mode, color, isTheme) => {
  expect(isThemeColor(mode, color)).toBe(isTheme);
});
