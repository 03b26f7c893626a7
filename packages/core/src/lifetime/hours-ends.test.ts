import { OwnerId } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import type { RunningAccount } from "../ports/repository.ts";
import { hoursEnds } from "./hours-ends.ts";
import { type LifetimeFacts, planLifetime } from "./lifetime-plan.ts";

const MINUTE = 60_000;
const HOUR = 3_600_000;
const T = Date.parse("2026-11-29T10:00:00.000Z");
const ANN = OwnerId.parse("annannann");

const account = (over: Partial<RunningAccount>): RunningAccount => ({
  ...{ account: ANN, hoursPerDay: null, usedMs: 0, running: 1 },
  ...over,
});
const endOf = (over: Partial<RunningAccount>, now = T) => hoursEnds([account(over)], now).get(ANN) ?? null;

describe("what an account runs", () => {
  it("goes on without a limit, and where the day is over first", () => {
    expect(endOf({})).toBeNull();
    expect(endOf({ hoursPerDay: 14 })).toBeNull();
    expect(endOf({ hoursPerDay: 13 })).toBe(T + 13 * HOUR);
  });

  it("uses the hours of the day up together", () => {
    expect(endOf({ hoursPerDay: 4, usedMs: HOUR, running: 3 })).toBe(T + HOUR);
    expect(endOf({ hoursPerDay: 4, usedMs: 5 * HOUR })).toBe(T);
    expect(endOf({ hoursPerDay: 0 })).toBe(T);
  });

  it("ends at the same time whenever that is asked", () => {
    const first = endOf({ hoursPerDay: 1, usedMs: 17, running: 3 });
    for (const later of [1, 7, 333, 1_000, 59_999]) {
      expect(endOf({ hoursPerDay: 1, usedMs: 17 + 3 * later, running: 3 }, T + later)).toEqual(first);
    }
  });
});

describe("the end of its owner's hours", () => {
  const facts = (over: Partial<LifetimeFacts>): LifetimeFacts => ({
    ...{ now: T, state: "running", createdAt: T, expiresAt: null, idleTimeoutMs: null, usedAt: T, canPause: true },
    hoursEnd: T + 60 * MINUTE,
    ...over,
  });
  const plan = (over: Partial<LifetimeFacts>) => planLifetime(facts(over));

  it("is announced ten minutes before, and comes however much it is used", () => {
    expect(plan({})).toEqual({ action: "none", notice: null, nextAt: T + 50 * MINUTE });
    expect(plan({ now: T + 50 * MINUTE, usedAt: T + 50 * MINUTE })).toEqual({
      action: "none",
      notice: { code: "hours", at: "2026-11-29T11:00:00.000Z", action: "pause" },
      nextAt: T + 60 * MINUTE,
    });
    expect(plan({ now: T + 60 * MINUTE, usedAt: T + 60 * MINUTE })).toMatchObject({ action: "pause", cause: "hours" });
    expect(plan({ now: T + 60 * MINUTE, canPause: false })).toMatchObject({ action: "stop", cause: "hours" });
  });

  it("concerns what runs alone, and comes after the end of its life", () => {
    for (const state of ["creating", "paused", "stopped", "failed", "destroying"] as const) {
      expect(plan({ state, now: T + 1e9 }).action).toBe("none");
    }
    expect(plan({ now: T + 60 * MINUTE, expiresAt: T + 60 * MINUTE })).toMatchObject({ cause: "expiry" });
  });
});
