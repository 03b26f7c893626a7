import type { QuotaLimits } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import { parseLimits } from "./limits.ts";
import { linesOf } from "./quota.ts";

const NONE: QuotaLimits = {
  ...{ environments: null, running: null, memoryMib: null, cpus: null },
  ...{ diskMib: null, recordingsMib: null, hoursPerDay: null },
};

describe("limits of a quota", () => {
  it("are read with their units, alone or all at once", () => {
    expect(parseLimits(["memory=4g", "running=0", "hours=12", "cpus=none"])).toEqual({
      ...{ memoryMib: 4096, running: 0, hoursPerDay: 12, cpus: null },
    });
    expect(parseLimits(["none"])).toEqual(NONE);
    expect(parseLimits(["default"])).toBeNull();
  });

  it.each([
    "memory=4096",
    "memory",
    "memory=",
    "=4g",
    "toString=1",
    "running=-1",
    "running=1.5",
    "cpus=999999999",
    "hours=١",
    "disk=<b>",
  ])("are refused like %j", (word) => {
    expect(() => parseLimits([word])).toThrow();
  });

  it("are named as they were given where they are refused", () => {
    expect(() => parseLimits(["memory=4096"])).toThrow("memory=4096 has no unit.");
    expect(() => parseLimits(["running=many"])).toThrow("running=many is not a whole number.");
    expect(() => parseLimits(["cpus=999999999"])).toThrow("cpus=999999999 is not from ");
  });

  it("are shown with what is used and left", () => {
    const used = {
      ...{ environments: 3, running: 1, memoryMib: 512, cpus: 1, diskMib: 6144, recordingsMib: 0, hoursPerDay: 1.26 },
    };
    const limits = { ...NONE, memoryMib: 4096, hoursPerDay: 2 };
    const left = { ...NONE, memoryMib: 3584, hoursPerDay: 0.74 };
    const lines = linesOf({ limits, used, left, isOwn: false, dayEndsAt: "2026-11-30T00:00:00.000Z" }).split("\n");
    expect(lines.slice(1)).toEqual([
      "environments  no limit  3        -",
      "running       no limit  1        -",
      "memory        4 GiB     512 MiB  3.5 GiB",
      "cpus          no limit  1        -",
      "disk          no limit  6 GiB    -",
      "recordings    no limit  0 MiB    -",
      "hours a day   2 h       1.3 h    0.7 h",
      "The day ends at 2026-11-30T00:00:00Z.",
    ]);
  });
});
