import fc from "fast-check";
import { expect, it } from "vitest";
import { ModelTurns, type Step } from "./model-turns.ts";

/** Turns whose time passes when a step says so, and that go on when the test does. */
function turnsOf() {
  let time = 0;
  let next: (() => void) | null = null;
  let passTime: (() => void) | null = null;
  const done: string[] = [];
  const faults: number[] = [];
  const turns = new ModelTurns({
    during(key, work) {
      try {
        work();
        return true;
      } catch {
        faults.push(key);
        return false;
      }
    },
    spentMs: () => time,
    turned: () => undefined,
    soon: (run) => {
      next = run;
    },
    after(_, run) {
      passTime = run;
      return () => {
        passTime = null;
      };
    },
  });
  const add = (key: number, name: string, steps: number, each: number, isBroken = false): void => {
    function* take(): Generator<Step> {
      for (let i = 0; i < steps; i++) {
        time += each;
        if (isBroken && i === steps - 1) throw new Error(name);
        yield "more";
      }
    }
    turns.add(key, { steps: take(), done: () => done.push(name) });
  };
  const addPatient = (key: number, name: string): void => {
    function* take(): Generator<Step> {
      yield "wait";
      yield "more";
    }
    turns.add(key, { steps: take(), done: () => done.push(name) });
  };
  const go = (): boolean => {
    const run = next;
    next = null;
    run?.();
    return run !== null;
  };
  return {
    turns,
    add,
    addPatient,
    go,
    done,
    faults,
    now: () => time,
    passTime: () => passTime?.(),
    isWaiting: () => passTime !== null,
  };
}

it("puts one that came late before what others have still to do, and before all that they add", () => {
  const { add, go, done } = turnsOf();
  for (let i = 0; i < 20; i++) add(1, `slow ${i}`, 100, 20);
  go();
  add(2, "open", 1, 1);
  add(2, "capture", 1, 1);
  add(1, "slow 20", 100, 20);
  go();
  expect(done).toEqual(["open", "capture"]);
});

it("does everything once and in each model's order, whatever throws, and no model gets ahead of another by more than a turn and a step", () => {
  const job = fc.record({
    key: fc.nat(4),
    steps: fc.integer({ min: 1, max: 30 }),
    each: fc.nat(9),
    isBroken: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(job, { maxLength: 40 }), (jobs) => {
      const { turns, add, go, done } = turnsOf();
      for (const [index, { key, steps, each, isBroken }] of jobs.entries()) {
        add(key, `${key} ${index}`, steps, each, isBroken);
        if (index % 7 === 0) go();
      }
      while (go());
      expect(turns.isIdle).toBe(true);
      expect(done.length).toBe(jobs.length);
      for (let key = 0; key <= 4; key++) {
        const mine = (name: string): boolean => name.startsWith(`${key} `);
        expect(done.filter(mine)).toEqual(jobs.map((one, index) => `${one.key} ${index}`).filter(mine));
      }
    }),
  );
});

it("gives two that are always busy the same time", () => {
  const { add, go, now, done } = turnsOf();
  add(1, "one", 1000, 7);
  add(2, "two", 3000, 1);
  const shares: Record<string, number> = {};
  while (done.length === 0 && go()) shares.until = now();
  expect(done).toEqual(["two"]);
  // Two has taken 3000 ms by then, and one as much but for a turn and a step.
  expect(Math.abs((shares.until ?? 0) - 6000)).toBeLessThan(40);
});

it("does nothing more of one that was dropped, and tells of each job that it is done with", () => {
  const { turns, add, go, done } = turnsOf();
  add(1, "a", 50, 5);
  add(1, "b", 50, 5);
  turns.drop(1);
  expect(done).toEqual(["a", "b"]);
  while (go());
  expect(turns.isIdle).toBe(true);
});

it("waits for what is next of a model where a job would, and no longer than some ms", () => {
  const { turns, add, addPatient, go, done, passTime, isWaiting } = turnsOf();
  addPatient(1, "first");
  while (go());
  expect([done, isWaiting(), turns.isIdle]).toEqual([[], true, false]);
  add(1, "second", 1, 1);
  while (go());
  expect([done, isWaiting(), turns.isIdle]).toEqual([["first", "second"], false, true]);
  addPatient(1, "third");
  while (go());
  passTime();
  while (go());
  expect(done).toEqual(["first", "second", "third"]);
  addPatient(1, "fourth");
  while (go());
  turns.drop(1);
  expect([done.at(-1), isWaiting(), turns.isIdle]).toEqual(["fourth", false, true]);
});
