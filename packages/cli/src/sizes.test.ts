import { LIMITS } from "@microterm/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CliError } from "./failure.ts";
import { formatBytes, formatMib, parseCount, parseMib, parseSeconds, within } from "./sizes.ts";

describe("a size", () => {
  it.each([
    ["512m", 512],
    ["512M", 512],
    ["512MiB", 512],
    ["512mb", 512],
    ["2g", 2048],
    ["1.5g", 1536],
    ["1t", 1_048_576],
    ["0m", 0],
  ])("%s is %i MiB", (text, mib) => {
    expect(parseMib(text, "--memory")).toBe(mib);
  });

  it.each(["", "512", "m", "-1g", "1.0001g", "1k", "1 gib please", "0x10m", "1e3m", "١m", `${"9".repeat(30)}g`])(
    "%j is refused with the option and the value",
    (text) => {
      expect(() => parseMib(text, "--disk")).toThrow(CliError);
      expect(() => parseMib(text, "--disk")).toThrow(`--disk ${text}`);
    },
  );

  it("is a whole number of MiB or refused, whatever the text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(Number.isSafeInteger(parseMib(text, "--memory"))).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(CliError);
        }
      }),
    );
  });

  it("reads back as it was", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_048_576 }), (mib) => {
        expect(parseMib(formatMib(mib).replace(" ", ""), "--memory")).toBe(mib);
      }),
    );
  });
});

it("counts are whole and not negative", () => {
  expect(parseCount("4", "--cpus")).toBe(4);
  for (const text of ["-1", "1.5", "many", "", "99999999999"])
    expect(() => parseCount(text, "--cpus")).toThrow(CliError);
});

it("bytes are shown in units a person reads", () => {
  expect([0, 999, 1000, 12_345, 2_147_483_648].map(formatBytes)).toEqual(["0 B", "999 B", "1.0 kB", "12 kB", "2.1 GB"]);
});

it.each([
  ["--memory", "10t", LIMITS.memoryMib, "--memory 10t is more than 64g, the most that an environment can have."],
  ["--memory", "1m", LIMITS.memoryMib, "--memory 1m is less than 128m, the least that an environment can have."],
  ["--disk", "2t", LIMITS.diskMib, "--disk 2t is more than 1t, the most that an environment can have."],
  ["--cpus", "99", LIMITS.cpus, "--cpus 99 is more than 32, the most that an environment can have."],
  ["--cpus", "0", LIMITS.cpus, "--cpus 0 is less than 1, the least that an environment can have."],
] as const)("%s %s is refused in the units and words of the option", (option, text, range, message) => {
  const value = option === "--cpus" ? parseCount(text, option) : parseMib(text, option);
  expect(() => within(value, range, { option, text })).toThrow(message);
});

it("a time that is too long is refused in its own words", () => {
  expect(() => parseSeconds("9999d", "--ttl")).toThrow("--ttl 9999d is longer than 365d");
  expect(parseSeconds("365d", "--ttl")).toBe(31_536_000);
});
