import { expect, test } from "vitest";
import { fontFor, roomIn } from "./letterbox.ts";

const CELL = { width: 8, height: 20 };

test("room is counted in whole cells beside the scrollbar", () => {
  expect(roomIn({ width: 14 + 8 * 80 + 7, height: 20 * 24 + 19 }, CELL)).toEqual({ cols: 80, rows: 24 });
  expect(roomIn({ width: 20, height: 400 }, CELL)).toBeNull();
  expect(roomIn({ width: 90_000, height: 90_000 }, CELL)).toEqual({ cols: 1000, rows: 1000 });
});

test("letters shrink until the larger of both sides fits, and no further than they can be read", () => {
  const area = { width: 14 + 640, height: 480 };
  expect(fontFor({ cols: 80, rows: 24 }, area, CELL)).toBe(14);
  expect(fontFor({ cols: 40, rows: 12 }, area, CELL)).toBe(14);
  expect(fontFor({ cols: 160, rows: 24 }, area, CELL)).toBe(7);
  expect(fontFor({ cols: 80, rows: 30 }, area, CELL)).toBe(11);
  expect(fontFor({ cols: 1000, rows: 24 }, area, CELL)).toBe(6);
});
