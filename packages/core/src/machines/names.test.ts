import { EnvironmentName } from "@microterm/protocol";
import { expect, it } from "vitest";
import { systemRandom } from "../testing/system.ts";
import { randomName } from "./names.ts";

const choosing = (first: number, second: number) => ({ ...systemRandom, bytes: () => Uint8Array.of(first, second) });

it("makes a valid name of every pair of words", () => {
  const names = new Set<string>();
  for (let first = 0; first < 64; first++) {
    for (let second = 0; second < 64; second++) {
      const name = randomName(choosing(first, second), 0);
      expect(EnvironmentName.safeParse(name).success, name).toBe(true);
      names.add(name);
    }
  }
  expect(names.size).toBe(4096);
});

it("chooses all words alike", () => {
  for (const byte of [0, 63, 64, 127, 192, 255]) {
    expect(randomName(choosing(byte, byte), 0)).toBe(randomName(choosing(byte % 64, byte % 64), 0));
  }
});

it("adds a suffix once plain names were taken too often", () => {
  const name = randomName(systemRandom, 6);
  expect(name).toMatch(/^[a-z]+-[a-z]+-[a-z0-9]{4}$/);
  expect(EnvironmentName.safeParse(name).success).toBe(true);
});
