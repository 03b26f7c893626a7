import type { QuotaLimits, QuotaUse } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import { assertRoom, isUnlimited, leftOf, spendingOfCreate, spendingOfStart } from "./room.ts";
import { msOfDay, secondsByDay } from "./running-time.ts";

const NONE: QuotaLimits = {
  ...{ environments: null, running: null, memoryMib: null, cpus: null },
  ...{ diskMib: null, recordingsMib: null, hoursPerDay: null },
};
const USED: QuotaUse = {
  ...{ environments: 3, running: 2, memoryMib: 1024, cpus: 2, diskMib: 6144, recordingsMib: 64, hoursPerDay: 1.5 },
};
const MEDIUM = { memoryMib: 512, cpus: 1, diskMib: 2048 };

describe("a quota", () => {
  it("has room up to its limit, and says the figures past that", () => {
    const create = spendingOfCreate(MEDIUM);
    expect(() => assertRoom(NONE, USED, create)).not.toThrow();
    for (const [name, fits, asked] of [
      ["environments", 4, 1],
      ["running", 3, 1],
      ["memoryMib", 1536, 512],
      ["cpus", 3, 1],
      ["diskMib", 8192, 2048],
    ] as const) {
      expect(() => assertRoom({ ...NONE, [name]: fits }, USED, create)).not.toThrow();
      expect(() => assertRoom({ ...NONE, [name]: fits - 1 }, USED, create)).toThrow(
        expect.objectContaining({
          code: "QUOTA_EXCEEDED",
          details: { quota: { name, limit: fits - 1, used: USED[name], asked } },
        }),
      );
    }
    expect(() => assertRoom({ ...NONE, memoryMib: 1200 }, USED, create)).toThrow(
      "the quota is 1200 MiB of memory: 1024 are used, and 512 more are needed",
    );
  });

  it("keeps nobody from what takes nothing of it", () => {
    const overdrawn = { ...NONE, environments: 0, diskMib: 0 };
    expect(() => assertRoom(overdrawn, USED, spendingOfStart(MEDIUM))).not.toThrow();
    expect(() => assertRoom({ ...NONE, hoursPerDay: 1 }, USED, { environments: 1, diskMib: 1 })).not.toThrow();
  });

  it("of hours lets nothing be started once they are used up", () => {
    const start = spendingOfStart(MEDIUM);
    expect(() => assertRoom({ ...NONE, hoursPerDay: 2 }, USED, start)).not.toThrow();
    expect(() => assertRoom({ ...NONE, hoursPerDay: 1 }, USED, start)).toThrow(
      "the quota is 1 hour of running a day: 1.5 are used",
    );
    expect(() => assertRoom({ ...NONE, hoursPerDay: 0 }, { ...USED, hoursPerDay: 0 }, start)).toThrow(
      "the quota is 0 hours of running a day: nothing may run",
    );
  });

  it("leaves nothing below zero", () => {
    expect(leftOf({ ...NONE, cpus: 1, environments: 10 }, USED)).toEqual({ ...NONE, cpus: 0, environments: 7 });
    expect([isUnlimited(NONE), isUnlimited({ ...NONE, cpus: 0 })]).toEqual([true, false]);
  });
});

describe("running time", () => {
  it("belongs to the days of UTC in which it passed", () => {
    expect([...secondsByDay("2026-11-29T10:00:00.000Z", "2026-11-29T10:00:01.001Z")]).toEqual([["2026-11-29", 2]]);
    expect([...secondsByDay("2026-11-28T23:59:30.000Z", "2026-11-30T00:00:10.000Z")]).toEqual([
      ["2026-11-28", 30],
      ["2026-11-29", 86_400],
      ["2026-11-30", 10],
    ]);
    expect([...secondsByDay("2026-11-29T10:00:01.000Z", "2026-11-29T10:00:00.000Z")]).toEqual([]);
    expect(msOfDay("2026-11-28T10:00:00.000Z", "2026-11-29T00:00:05.000Z")).toBe(5000);
    expect(msOfDay("2026-11-29T10:00:00.000Z", "2026-11-29T09:00:00.000Z")).toBe(0);
  });
});
