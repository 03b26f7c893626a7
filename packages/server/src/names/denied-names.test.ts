import { expect, it } from "vitest";
import { createCeiling } from "./address-ceiling.ts";
import { DeniedNames } from "./denied-names.ts";

it("a name keeps its address, and an address its name", () => {
  const names = new DeniedNames();
  const [one, two] = [names.addressOf("one.example.com"), names.addressOf("two.example.com")];
  expect([one, two]).toEqual(["198.18.0.1", "198.18.0.2"]);
  expect(names.addressOf("one.example.com")).toBe(one);
  expect([names.nameOf(one), names.nameOf(two), names.nameOf("198.18.0.3")]).toEqual([
    "one.example.com",
    "two.example.com",
    null,
  ]);
});

it("a guest that asks for names without end is remembered by the latest thousand, at addresses that no policy opens", () => {
  const names = new DeniedNames();
  const isBeyondCeiling = createCeiling(["0.0.0.0/0"]);
  const kept = names.addressOf("kept.example.com");
  for (let number = 0; number < 140_000; number += 1) {
    const address = names.addressOf(`${number}.example.com`);
    if (number % 500 === 0) {
      expect(isBeyondCeiling(address)).toBe(true);
      expect(names.addressOf("kept.example.com")).toBe(kept);
      expect(names.nameOf(address)).toBe(`${number}.example.com`);
    }
  }
  expect(names.nameOf(names.addressOf("139999.example.com"))).toBe("139999.example.com");
  let remembered = 0;
  for (let address = 0; address < 1 << 17; address += 1) {
    const dotted = `198.${18 + (address >> 16)}.${(address >> 8) & 255}.${address & 255}`;
    if (names.nameOf(dotted) !== null) remembered += 1;
  }
  expect(remembered).toBe(1024);
});
