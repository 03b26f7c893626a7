import { describe, expect, it } from "vitest";
import { hostCapabilities } from "./host-capabilities.ts";
import type { Overhead } from "./vmm.ts";

const capabilities = (overhead: Overhead | undefined) =>
  hostCapabilities({ accelerator: "tcg", acceleratorReason: "", overhead: () => overhead });

describe("what a machine takes besides its guest's memory", () => {
  it.each([
    [{ fixedMib: 256, cpuMib: 8, memoryDivisor: 16 }, { memoryMib: 512, cpus: 2 }, 304],
    [{ fixedMib: 256, cpuMib: 8, memoryDivisor: 16 }, { memoryMib: 100, cpus: 1 }, 271],
    [{ fixedMib: 160, cpuMib: 0, memoryDivisor: null }, { memoryMib: 4096, cpus: 4 }, 160],
  ])("is by %j, of %j, %i MiB", (overhead, spec, expected) => {
    expect(capabilities(overhead).overheadMib(spec)).toBe(expected);
  });

  it("is not made up before the daemon has told it", () => {
    expect(() => capabilities(undefined).overheadMib({ memoryMib: 512, cpus: 1 })).toThrow(/has not told/);
  });
});
