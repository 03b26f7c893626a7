import { describe, expect, it } from "vitest";
import { systemClock } from "../testing/system.ts";
import { createAttempts } from "./attempts.ts";
import { createSignInLimits } from "./sign-in-limits.ts";

/** At a time of the test's choosing; sleeps are noted. */
function open() {
  const state = { now: 0, slept: 0 };
  const clock = {
    ...systemClock,
    now: () => state.now,
    sleep: async (ms: number) => {
      state.slept += ms;
    },
  };
  return { limits: createSignInLimits(clock, (_name, limits) => createAttempts(limits, clock.now)), state };
}

const TOO_MANY = { code: "TOO_MANY" };
const attacker = { name: "ann", address: "192.0.2.66", knownBrowser: null };
const owner = { name: "ann", address: "192.0.2.1", knownBrowser: null };

async function until(limits: ReturnType<typeof createSignInLimits>, attempt: typeof attacker): Promise<number> {
  for (let count = 0; count < 1000; count++) {
    try {
      await limits.begin(attempt);
    } catch {
      return count;
    }
  }
  return 1000;
}

describe("somebody who guesses", () => {
  it("is refused after ten attempts, and again after a quarter of an hour", async () => {
    const { limits, state } = open();
    expect(await until(limits, attacker)).toBe(10);
    state.now += 15 * 60_000;
    expect(await until(limits, attacker)).toBe(10);
  });

  it("does not keep the owner out, elsewhere or in a browser that is known", async () => {
    const { limits } = open();
    await until(limits, attacker);
    await (await limits.begin(owner))();
    await expect(limits.begin({ ...owner, address: attacker.address })).rejects.toMatchObject(TOO_MANY);
    await limits.begin({ ...owner, address: attacker.address, knownBrowser: "known" });
  });

  it("has no more attempts by what a browser that is known had", async () => {
    const { limits } = open();
    // Somebody else in that browser: its own ten, then those of any other.
    expect(await until(limits, { ...attacker, knownBrowser: "known" } as never)).toBe(20);
  });

  it("has no more attempts by sign-ins of an account of their own in a browser that is known", async () => {
    const { limits } = open();
    for (let at = 0; at < 60; at++) await limits.begin({ ...attacker, name: `name${at}` });
    for (let at = 0; at < 60; at++) await (await limits.begin({ ...attacker, name: "own", knownBrowser: "known" }))();
    await expect(limits.begin(attacker)).rejects.toMatchObject(TOO_MANY);
  });

  it("tries few names from one address, and from many addresses is slowed down, never refused", async () => {
    const { limits, state } = open();
    let names = 0;
    while ((await until(limits, { ...attacker, name: `name${names}` })) > 0) names += 1;
    expect(names).toBe(6);
    for (let at = 0; at < 100; at++) await limits.begin({ ...attacker, name: "bob", address: `198.51.100.${at}` });
    expect(state.slept).toBe(0);
    await limits.begin({ ...owner, name: "bob" });
    expect(state.slept).toBeGreaterThan(0);
  });
});

it("keeps no counts of names that an address makes up once it is refused", async () => {
  const keys = new Set<string>();
  const limits = createSignInLimits(systemClock, (name, of) => {
    const attempts = createAttempts(of, () => 0);
    return { ...attempts, begin: (key) => attempts.begin(keys.add(`${name} ${key}`) && key) };
  });
  for (let at = 0; at < 500; at++) await limits.begin({ ...attacker, name: `name${at}` }).catch(() => {});
  // Of the address, and two of each name.
  expect(keys.size).toBe(1 + 2 * 60);
});

it("counts no sign-in that succeeds", async () => {
  const { limits, state } = open();
  for (let at = 0; at < 500; at++) {
    await (await limits.begin(owner))();
  }
  expect(state.slept).toBe(0);
});

it("answers wrong codes with what is wrong, and with the limit once there are many", async () => {
  const { limits } = open();
  const error = new Error("wrong");
  const answers = await Promise.all(Array.from({ length: 21 }, () => limits.wrongCode("192.0.2.1", error)));
  expect(answers.slice(0, 20)).toEqual(Array(20).fill(error));
  expect(answers.at(-1)).toMatchObject(TOO_MANY);
  expect(await limits.wrongCode("192.0.2.2", error)).toBe(error);
});
