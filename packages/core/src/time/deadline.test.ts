import { describe, expect, it } from "vitest";
import { systemClock as clock } from "../testing/system.ts";
import { endedWithin, withDeadline } from "./deadline.ts";

const error = () => new Error("too late");
const forever = () => new Promise<never>(() => {});

describe("a deadline", () => {
  it("gives what was done in time", async () => {
    await expect(withDeadline({ clock, timeoutMs: 10_000, error }, async () => 7)).resolves.toBe(7);
  });

  it("rejects in time and aborts, even what does not listen", async () => {
    let seen: AbortSignal | undefined;
    const bounded = withDeadline({ clock, timeoutMs: 1, error }, (signal) => {
      seen = signal;
      return forever();
    });
    await expect(bounded).rejects.toThrow("too late");
    expect(seen?.aborted).toBe(true);
  });

  it("is as many times later as the clock says, and says when", async () => {
    const slept: number[] = [];
    const slow = { ...clock, deadlineFactor: 4, sleep: async (ms: number) => void slept.push(ms) };
    const error = (seconds: number) => new Error(`too late after ${seconds} s`);
    await expect(withDeadline({ clock: slow, timeoutMs: 500, error }, forever)).rejects.toThrow("too late after 2 s");
    await endedWithin(slow, 250, forever());
    expect(slept).toEqual([2000, 1000]);
  });

  it("rejects with the outer signal's reason as soon as that aborts", async () => {
    const outer = new AbortController();
    const bounded = withDeadline({ clock, timeoutMs: 10_000, error, signal: outer.signal }, forever);
    outer.abort(new Error("called off"));
    await expect(bounded).rejects.toThrow("called off");
    const late = withDeadline({ clock, timeoutMs: 10_000, error, signal: outer.signal }, async () => 7);
    await expect(late).rejects.toThrow("called off");
  });

  it("ends what is left under way beside a failure", async () => {
    let seen: AbortSignal | undefined;
    const failing = withDeadline({ clock, timeoutMs: 10_000, error }, (signal) => {
      seen = signal;
      return Promise.reject(new Error("it failed"));
    });
    await expect(failing).rejects.toThrow("it failed");
    expect(seen?.aborted).toBe(true);
  });
});

it("waits for an end of any kind, and no longer than asked", async () => {
  await endedWithin(clock, 10_000, Promise.resolve());
  await endedWithin(clock, 10_000, Promise.reject(new Error("it failed")));
  await endedWithin(clock, 1, forever());
});
