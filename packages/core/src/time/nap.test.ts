import { expect, it } from "vitest";
import { systemClock as clock } from "../testing/system.ts";
import { nap } from "./nap.ts";

const { signal } = new AbortController();
const never = new Promise<void>(() => {});

it("ends at its time, or when it is woken, however long it was to be", async () => {
  expect(await nap({ clock, ms: 1, woken: never, signal })).toBe(false);
  expect(await nap({ clock, ms: 60_000, woken: Promise.resolve(), signal })).toBe(true);
  const woken = clock.sleep(20);
  expect(await nap({ clock, ms: Number.POSITIVE_INFINITY, woken, signal })).toBe(true);
});

it("rejects when its signal aborts", async () => {
  const stop = new AbortController();
  const napping = nap({ clock, ms: Number.POSITIVE_INFINITY, woken: never, signal: stop.signal });
  stop.abort(new Error("enough"));
  await expect(napping).rejects.toThrow("enough");
});
