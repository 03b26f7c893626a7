import { describe, expect, it } from "vitest";
import { systemClock } from "../testing/system.ts";
import { createStartScheduler } from "./start-scheduler.ts";

const never = new AbortController().signal;
const settle = () => systemClock.sleep(20);

describe("the background", () => {
  it("runs at once when nobody waits, one thing at a time", async () => {
    const scheduler = createStartScheduler(systemClock, 2);
    let running = 0;
    let most = 0;
    const runs = Array.from({ length: 4 }, () =>
      scheduler.background(never, 0, async () => {
        most = Math.max(most, ++running);
        await systemClock.sleep(1);
        running--;
      }),
    );
    await Promise.all(runs);
    expect(most).toBe(1);
  });

  it("waits for all that is under way, and goes on after a piece that failed", async () => {
    const scheduler = createStartScheduler(systemClock, 2);
    const leave = [scheduler.enter(), scheduler.enter()];
    const done: string[] = [];
    const failing = scheduler.background(never, 0, async () => {
      done.push("failing");
      throw new Error("on purpose");
    });
    const next = scheduler.background(never, 0, async () => {
      done.push("next");
    });
    for (const one of leave) {
      await settle();
      expect(done).toEqual([]);
      one();
      one();
    }
    await expect(failing).rejects.toThrow("on purpose");
    await next;
    expect(done).toEqual(["failing", "next"]);
  });

  it("takes the lowest rank of those that wait", async () => {
    const scheduler = createStartScheduler(systemClock, 2);
    const leave = scheduler.enter();
    const order: number[] = [];
    const runs = [2, 1, 2, 0].map((rank) =>
      scheduler.background(never, rank, async () => {
        order.push(rank);
      }),
    );
    leave();
    await Promise.all(runs);
    expect(order).toEqual([0, 1, 2, 2]);
  });

  it("leaves a claimed machine's first client alone until it has been met", async () => {
    const scheduler = createStartScheduler(systemClock, 2);
    scheduler.claimed("one");
    let hasRun = false;
    const run = scheduler.background(never, 0, async () => {
      hasRun = true;
    });
    await settle();
    expect(hasRun).toBe(false);
    scheduler.reached("one");
    scheduler.reached("another");
    await run;
  });

  it("waits no longer for a first client because the clock was set back", async () => {
    let backMs = 0;
    const scheduler = createStartScheduler({ ...systemClock, now: () => Date.now() - backMs }, 2);
    scheduler.claimed("one");
    backMs = 3_600_000;
    await scheduler.background(never, 0, async () => {});
  });

  it("ends with its signal", async () => {
    const scheduler = createStartScheduler(systemClock, 2);
    scheduler.enter();
    const closing = new AbortController();
    const run = scheduler.background(closing.signal, 0, async () => {});
    await settle();
    closing.abort(new Error("closing"));
    await expect(run).rejects.toThrow("closing");
  });
});

describe("a turn to restore", () => {
  it("is had by so many at a time, in the order asked, and handed on once", async () => {
    const scheduler = createStartScheduler(systemClock, 2);
    const order: number[] = [];
    const turns = [0, 1, 2, 3].map(async (n) => {
      const end = await scheduler.restoreTurn(never);
      order.push(n);
      return end;
    });
    await settle();
    expect(order).toEqual([0, 1]);
    const end = await (turns[0] as Promise<() => void>);
    end();
    end();
    await settle();
    expect(order).toEqual([0, 1, 2]);
    for (const turn of turns.slice(1, 3)) (await turn)();
    await turns[3];
    expect(order).toEqual([0, 1, 2, 3]);
  });

  it("is not waited for by who was called off", async () => {
    const scheduler = createStartScheduler(systemClock, 1);
    const end = await scheduler.restoreTurn(never);
    const caller = new AbortController();
    const waiting = scheduler.restoreTurn(caller.signal);
    caller.abort(new Error("called off"));
    await expect(waiting).rejects.toThrow("called off");
    end();
    await scheduler.restoreTurn(never);
  });
});
