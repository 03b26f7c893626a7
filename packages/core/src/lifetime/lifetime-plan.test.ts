import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isAtWork, type LifetimeFacts, planLifetime } from "./lifetime-plan.ts";

const MINUTE = 60_000;
const T = Date.parse("2026-11-22T10:00:00.000Z");

const facts = (over: Partial<LifetimeFacts>): LifetimeFacts => ({
  now: T,
  state: "running",
  createdAt: T,
  expiresAt: null,
  idleTimeoutMs: null,
  usedAt: T,
  canPause: true,
  hoursEnd: null,
  ...over,
});
const plan = (over: Partial<LifetimeFacts>) => planLifetime(facts(over));

describe("an environment without a time", () => {
  it("stays", () => {
    expect(plan({ now: T + 1e12 })).toEqual({ action: "none", notice: null, nextAt: null });
  });
});

describe("an idle time-out", () => {
  const idleTimeoutMs = 30 * MINUTE;

  it("is announced a minute before, and paused at its end", () => {
    expect(plan({ idleTimeoutMs, now: T + 29 * MINUTE - 1 })).toEqual({
      action: "none",
      notice: null,
      nextAt: T + 29 * MINUTE,
    });
    expect(plan({ idleTimeoutMs, now: T + 29 * MINUTE })).toMatchObject({
      action: "none",
      notice: { code: "idle", at: "2026-11-22T10:30:00.000Z", action: "pause" },
      nextAt: T + 30 * MINUTE,
    });
    expect(plan({ idleTimeoutMs, now: T + 30 * MINUTE }).action).toBe("pause");
  });

  it("is announced a tenth before where it is short", () => {
    expect(plan({ idleTimeoutMs: 10_000 }).nextAt).toBe(T + 9_000);
    expect(plan({ idleTimeoutMs: 10_000, now: T + 9_000 }).notice?.code).toBe("idle");
  });

  it("stops what cannot be paused", () => {
    expect(plan({ idleTimeoutMs, now: T + 30 * MINUTE, canPause: false }).action).toBe("stop");
    expect(plan({ idleTimeoutMs, now: T + 29 * MINUTE, canPause: false }).notice).toMatchObject({ action: "stop" });
  });

  it("starts over with every use", () => {
    const used = { idleTimeoutMs, now: T + 30 * MINUTE, usedAt: T + 29.5 * MINUTE };
    expect(plan(used)).toEqual({ action: "none", notice: null, nextAt: T + 58.5 * MINUTE });
  });

  it.each(["creating", "paused", "stopped", "failed", "destroying"] as const)("does nothing to a %s one", (state) => {
    expect(plan({ idleTimeoutMs, state, now: T + 1e9 })).toEqual({ action: "none", notice: null, nextAt: null });
  });
});

describe("a time to live", () => {
  it("is announced and ends in any state, however much it is used", () => {
    const expiresAt = T + 60 * MINUTE;
    for (const state of ["creating", "running", "paused", "stopped", "failed"] as const) {
      const at = (now: number) => plan({ expiresAt, state, now, usedAt: now });
      const notice = { code: "expiry", at: "2026-11-22T11:00:00.000Z" };
      expect(at(T)).toEqual({ action: "none", notice: null, nextAt: T + 50 * MINUTE });
      const early = { action: "none", notice: { ...notice, isLast: false }, nextAt: T + 59 * MINUTE };
      expect([at(T + 50 * MINUTE), at(T + 59 * MINUTE - 1)]).toEqual([early, early]);
      expect(at(T + 59 * MINUTE)).toMatchObject({ notice: { ...notice, isLast: true }, nextAt: T + 60 * MINUTE });
      expect(at(T + 60 * MINUTE)).toEqual({ action: "destroy", cause: "expiry", notice: null, nextAt: null });
    }
    expect(plan({ expiresAt, state: "destroying", now: T + 1e9 }).action).toBe("none");
  });

  it.each([
    [4, 2, 3.6],
    [20, 10, 19],
    [600, 590, 599],
  ])("of %d minutes is announced after %d and after %d", (whole, early, last) => {
    const expiresAt = T + whole * MINUTE;
    const at = (minutes: number) => plan({ expiresAt, now: T + minutes * MINUTE });
    expect(at(0)).toEqual({ action: "none", notice: null, nextAt: T + early * MINUTE });
    expect(at(early)).toMatchObject({ notice: { isLast: false }, nextAt: T + last * MINUTE });
    expect(at(last)).toMatchObject({ notice: { isLast: true }, nextAt: expiresAt });
  });

  it("goes before an idle time-out, but for its first notice", () => {
    const both = { expiresAt: T + 5 * MINUTE, idleTimeoutMs: 5 * MINUTE };
    expect(plan({ ...both, now: T + 5 * MINUTE - 1 }).notice?.code).toBe("expiry");
    expect(plan({ ...both, now: T + 3 * MINUTE, idleTimeoutMs: 3.1 * MINUTE }).notice?.code).toBe("idle");
    expect(plan({ ...both, now: T + 5 * MINUTE }).action).toBe("destroy");
  });
});

it("never plans for a time that is over, and always gives notice before it acts", () => {
  const time = fc.integer({ min: 0, max: 10 * MINUTE });
  const any = fc.record({
    elapsed: time,
    ttl: fc.option(fc.integer({ min: 1, max: 10 * MINUTE })),
    idle: fc.option(fc.integer({ min: 1, max: 10 * MINUTE })),
    used: time,
  });
  fc.assert(
    fc.property(any, ({ elapsed, ttl, idle, used }) => {
      const asked = facts({
        now: T + elapsed,
        expiresAt: ttl === null ? null : T + ttl,
        idleTimeoutMs: idle,
        usedAt: T + Math.min(used, elapsed),
      });
      const now = planLifetime(asked);
      if (now.action !== "none") return;
      if (now.nextAt === null) {
        expect([ttl, idle]).toEqual([null, null]);
        return;
      }
      expect(now.nextAt).toBeGreaterThan(asked.now);
      const then = planLifetime({ ...asked, now: now.nextAt });
      if (then.action !== "none") expect(now.notice).not.toBeNull();
      else expect(then.notice).not.toBeNull();
    }),
  );
});

it("a guest is at work above a twentieth of a processor", () => {
  const at = (time: number, busyMs: number) => ({ at: time, busyMs });
  expect(isAtWork(at(0, 0), at(1000, 51))).toBe(true);
  expect(isAtWork(at(0, 0), at(1000, 50))).toBe(false);
  // A counter that began again, and two samples at one time.
  expect(isAtWork(at(0, 900), at(1000, 10))).toBe(false);
  expect(isAtWork(at(5, 10), at(5, 10))).toBe(false);
});
