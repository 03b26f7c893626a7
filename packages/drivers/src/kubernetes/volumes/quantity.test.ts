import { expect, it } from "vitest";
import { bytesOf } from "./quantity.ts";

it.each([
  ["0", 0],
  ["134217728", 134_217_728],
  ["128Mi", 134_217_728],
  ["1.5Gi", 1_610_612_736],
  ["10G", 10_000_000_000],
  ["1e3", 1000],
  ["1500m", 2],
  ["much", 0],
])("%s", (quantity, bytes) => {
  expect(bytesOf(quantity)).toBe(bytes);
});
