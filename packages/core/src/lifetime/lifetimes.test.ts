import { EnvironmentId, type OwnerId } from "@microterm/protocol";
import { expect, it, onTestFinished } from "vitest";
import type { EnvironmentRow } from "../ports/repository.ts";
import { environmentRow } from "../testing/environment-row.ts";
import { silentLog, systemClock } from "../testing/system.ts";
import { createLifetimes, type Lifetimes } from "./lifetimes.ts";
import { type LifetimeParts, watchLifetimes } from "./watch-lifetimes.ts";

const ID = EnvironmentId.parse("a".repeat(12));

const row = (over: Partial<EnvironmentRow>): EnvironmentRow =>
  environmentRow({ createdAt: new Date().toISOString(), ...over });

interface Watched {
  readonly lifetimes: Lifetimes;
  /** What was done, and for which reason. */
  readonly ended: string[];
  /** The kinds of notices there have been. */
  readonly noticed: Set<string>;
  /** Whether it has times from now on. */
  list(isTimed: boolean): void;
}

interface WatchOptions {
  readonly busyMs?: () => number;
  readonly canPause?: boolean;
  /** Of its owner's hours. */
  readonly ends?: ReadonlyMap<OwnerId, number>;
}

/** One environment whose guest has used so many ms of CPU each time that it is asked. */
function watch(environment: EnvironmentRow, options: WatchOptions = {}): Watched {
  const ended: string[] = [];
  const noticed = new Set<string>();
  let isThere = true;
  let wake = () => {};
  const lifetimes: Lifetimes = createLifetimes({
    clock: systemClock,
    changed: () => {
      const notice = lifetimes.noticeOf(ID);
      if (notice !== null) noticed.add(notice.code);
    },
  });
  const closing = new AbortController();
  onTestFinished(() => closing.abort(new Error("the test is over")));
  lifetimes.began(ID);
  const parts: LifetimeParts = {
    clock: systemClock,
    log: silentLog,
    lifetimes,
    canPause: () => options.canPause ?? true,
    hoursEnds: async () => options.ends ?? new Map(),
    listTimed: async () => (isThere ? [environment] : []),
    cpuMs: async () => options.busyMs?.() ?? 0,
    end: async (action, _, reason) => {
      isThere = false;
      ended.push(`${action}: ${reason}`);
    },
    subscribe: (listener) => {
      wake = listener;
      return () => {};
    },
  };
  watchLifetimes(parts, closing.signal);
  const list = (isTimed: boolean) => {
    isThere = isTimed;
    wake();
  };
  return { lifetimes, ended, noticed, list };
}

async function until(what: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 60_000; !what(); await systemClock.sleep(10)) {
    if (Date.now() > deadline) throw new Error("it did not come about");
  }
}

it("pauses what is idle, after a notice", async () => {
  const { ended, noticed } = watch(row({ idleTimeoutSeconds: 5 }));
  await until(() => ended.length > 0);
  expect(ended).toEqual(["pause: idle for 5 s"]);
  expect([...noticed]).toEqual(["idle"]);
});

it("leaves one alone that is being paused or stopped, until its life is over", async () => {
  const expiresAt = new Date(Date.now() + 5000).toISOString();
  for (const operation of ["pause", "stop"] as const) {
    const { ended } = watch(row({ idleTimeoutSeconds: 1, operation, expiresAt }));
    await until(() => ended.length > 0);
    expect(ended).toEqual(["destroy: its time to live is over"]);
  }
});

it("stops it where it cannot be paused, and removes what has lived long enough", async () => {
  const idle = watch(row({ idleTimeoutSeconds: 1 }), { canPause: false });
  const expired = watch(row({ expiresAt: new Date(Date.now() + 5000).toISOString() }));
  await until(() => idle.ended.length > 0 && expired.ended.length > 0);
  expect([...idle.ended, ...expired.ended]).toEqual(["stop: idle for 1 s", "destroy: its time to live is over"]);
  expect([...expired.noticed]).toEqual(["expiry"]);
});

it("takes the notice of an expiry back where its life becomes longer", async () => {
  const createdAt = new Date(Date.now() - 3_600_000).toISOString();
  let mortal = row({ createdAt, expiresAt: new Date(Date.now() + 30_000).toISOString() });
  const ended: string[] = [];
  let wake = () => {};
  const lifetimes = createLifetimes({ clock: systemClock, changed: () => {} });
  const parts: LifetimeParts = {
    clock: systemClock,
    log: silentLog,
    lifetimes,
    canPause: () => true,
    hoursEnds: async () => new Map(),
    listTimed: async () => [mortal],
    cpuMs: async () => {
      throw new Error("it is never asked");
    },
    end: async (action) => ended.push(action),
    subscribe: (listener) => {
      wake = listener;
      return () => {};
    },
  };
  const closing = new AbortController();
  onTestFinished(() => closing.abort(new Error("the test is over")));
  watchLifetimes(parts, closing.signal);
  await until(() => lifetimes.noticeOf(ID)?.code === "expiry");
  mortal = { ...mortal, expiresAt: new Date(Date.now() + 3_600_000).toISOString() };
  wake();
  await until(() => lifetimes.noticeOf(ID) === null);
  expect(ended).toEqual([]);
});

it("takes a notice back where there is no time any more", async () => {
  const createdAt = new Date(Date.now() - 3_600_000).toISOString();
  const expiresAt = new Date(Date.now() + 30_000).toISOString();
  const { lifetimes, list } = watch(row({ createdAt, expiresAt }));
  await until(() => lifetimes.noticeOf(ID)?.code === "expiry");
  list(false);
  await until(() => lifetimes.noticeOf(ID) === null);
});

it("counts a time-out that is given later from then, however long it was not used before", async () => {
  const { lifetimes, ended, list } = watch(row({ idleTimeoutSeconds: 3 }));
  list(false);
  const before = Date.now();
  await until(() => Date.now() > before + 4000);
  const given = Date.now();
  lifetimes.began(ID);
  list(true);
  await until(() => ended.length > 0);
  expect(Date.now() - given).toBeGreaterThanOrEqual(3000);
});

it("ends one while another's end takes long, and each once", async () => {
  const other = EnvironmentId.parse("b".repeat(12));
  const expiresAt = (ms: number) => new Date(Date.now() + ms).toISOString();
  const rows = [row({ expiresAt: expiresAt(0) }), row({ id: other, expiresAt: expiresAt(2000) })];
  const ended: string[] = [];
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const parts: LifetimeParts = {
    clock: systemClock,
    log: silentLog,
    lifetimes: createLifetimes({ clock: systemClock, changed: () => {} }),
    canPause: () => true,
    hoursEnds: async () => new Map(),
    listTimed: async () => rows.filter(({ id }) => id === ID || !ended.includes(id)),
    cpuMs: async () => {
      throw new Error("it does not answer");
    },
    end: async (_, { id }) => {
      ended.push(id);
      if (id === ID) await held;
    },
    subscribe: () => () => {},
  };
  const closing = new AbortController();
  onTestFinished(() => {
    closing.abort(new Error("the test is over"));
    release();
  });
  watchLifetimes(parts, closing.signal);
  await until(() => ended.length > 1);
  expect(ended).toEqual([ID, other]);
});

it("does not pause one that is typed into, and takes its notice away", async () => {
  const { lifetimes, ended } = watch(row({ idleTimeoutSeconds: 5 }));
  for (let times = 0; times < 2; times++) {
    await until(() => lifetimes.noticeOf(ID) !== null);
    lifetimes.note(ID);
    expect(lifetimes.noticeOf(ID)).toBeNull();
  }
  expect(ended).toEqual([]);
});

it("ends one in use once its owner's hours are used up, after a notice that stays", async () => {
  const running = row({});
  const ends = new Map([[running.owner, Date.now() + 1500]]);
  const { lifetimes, ended } = watch(running, { ends });
  await until(() => lifetimes.noticeOf(ID)?.code === "hours");
  lifetimes.note(ID);
  expect(lifetimes.noticeOf(ID)?.code).toBe("hours");
  await until(() => ended.length > 0);
  expect(ended).toEqual(["pause: its owner has no hours of running left today"]);
});

it("stops one that could not be paused when its owner's hours were used up", async () => {
  const running = row({});
  const ends = new Map([[running.owner, Date.now()]]);
  const { lifetimes, ended, list } = watch(running, { ends });
  await until(() => ended.length === 1);
  lifetimes.pauseFailed(running, "the disk is full");
  list(true);
  await until(() => ended.length === 2);
  expect(ended.map((one) => one.slice(0, 5))).toEqual(["pause", "stop:"]);
});

it("does not pause one that computes until it stops computing", async () => {
  let busyMs = 0;
  let isBusy = true;
  let asked = 0;
  const use = () => {
    asked++;
    if (isBusy) busyMs += 100_000;
    return busyMs;
  };
  const { ended } = watch(row({ idleTimeoutSeconds: 1 }), { busyMs: use });
  await until(() => asked > 3);
  expect(ended).toEqual([]);
  isBusy = false;
  await until(() => ended.length > 0);
});

it("tells of a pause that failed until it is used", () => {
  const { lifetimes } = watch(row({ idleTimeoutSeconds: 600 }));
  lifetimes.pauseFailed(row({}), "no space");
  expect(lifetimes.noticeOf(ID)).toMatchObject({
    code: "pause-failed",
    detail: "no space",
  });
  lifetimes.note(ID);
  expect(lifetimes.noticeOf(ID)).toBeNull();
});

it("is used as long as one of its uses goes on, and until that has ended", () => {
  let now = 1_000;
  const lifetimes = createLifetimes({ clock: { ...systemClock, now: () => now }, changed: () => {} });
  const ends = [lifetimes.beginUse(ID), lifetimes.beginUse(ID)];
  now = 2_000;
  ends[0]?.();
  ends[0]?.();
  now = 3_000;
  expect(lifetimes.usedAt(ID)).toBe(3_000);
  now = 4_000;
  ends[1]?.();
  now = 5_000;
  expect(lifetimes.usedAt(ID)).toBe(4_000);
});
