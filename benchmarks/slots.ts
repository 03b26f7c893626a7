/** What slots cost, on a real daemon whose host is a namespace of its own, without an uplink. */
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { runCommand } from "@microterm/host";
import { openSlotDaemon } from "../support/slot-daemon.ts";
import type { TestDaemon } from "../support/test-daemon.ts";
import { median, signed, spread } from "./figures.ts";
import { createGroup } from "./group.ts";

const MANY = 200;
const CLAIMS = 100;
const POLL_MS = 2;

interface World {
  readonly few: TestDaemon;
  /** With `MANY` that are free, and how long each of these took in ms. */
  readonly many: TestDaemon;
  readonly madeMs: number;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

async function freeSlots(daemon: TestDaemon, count: number): Promise<void> {
  while ((await daemon.client.networkStatus()).freeSlots < count) await delay(POLL_MS);
}

/** A claim, and the slot that is made in its place, by turns. */
async function claims(daemon: TestDaemon, ready: number): Promise<Record<"attach" | "make" | "release", number[]>> {
  const times: Record<"attach" | "make" | "release", number[]> = { attach: [], make: [], release: [] };
  for (let at = 0; at < CLAIMS; at++) {
    const machine = randomBytes(8).toString("hex");
    times.attach.push(await timed(() => daemon.client.attachNetwork(machine)));
    times.make.push(await timed(() => freeSlots(daemon, ready)));
    times.release.push(await timed(() => daemon.client.releaseNetwork(machine)));
  }
  return times;
}

/** A namespace and its removal by ip(8), which nothing that makes one with a program could beat. */
async function bareNamespace(): Promise<number> {
  const name = `mt-bench-${randomBytes(4).toString("hex")}`;
  const made = await timed(() => runCommand(["ip", "netns", "add", name], {}));
  await runCommand(["ip", "netns", "delete", name], {});
  return made;
}

export const SLOTS = createGroup<World>({
  async open() {
    const few = await openSlotDaemon(1);
    const many = await openSlotDaemon(MANY).catch(async (error: unknown) => {
      await few.close();
      throw error;
    });
    try {
      await freeSlots(many, 1);
      const begin = performance.now();
      await freeSlots(many, MANY);
      return { few, many, madeMs: (performance.now() - begin) / (MANY - 1) };
    } catch (error) {
      await Promise.allSettled([few.close(), many.close()]);
      throw error;
    }
  },
  async close({ few, many }) {
    await few.close();
    await many.close();
  },
  benchmarks: {
    async slots({ few, many, madeMs }) {
      const beside = { few: await claims(few, 1), many: await claims(many, MANY) };
      const calls: number[] = [];
      const bare: number[] = [];
      for (let at = 0; at < CLAIMS; at++) calls.push(await timed(() => few.client.networkStatus()));
      for (let at = 0; at < 20; at++) bare.push(await bareNamespace());
      return [
        {
          name: `a slot, made in bulk, mean of ${MANY - 1}`,
          figure: `${madeMs.toFixed(1)} ms`,
          floor: `${median(bare).toFixed(1)} ms an empty namespace by ip(8)`,
          ratio: "",
          target: "≤ 25 ms",
        },
        {
          name: `claim of a slot, p50 / p99 of ${CLAIMS}`,
          figure: spread(beside.few.attach),
          floor: `${spread(calls)} a call that does nothing`,
          ratio: signed(median(beside.few.attach) - median(calls)),
          target: "p50 ≤ 1 ms",
        },
        ...(["attach", "make", "release"] as const).map((step) => ({
          name: `${step} beside ${MANY} slots, p50 / p99 of ${CLAIMS}`,
          figure: spread(beside.many[step]),
          floor: `${spread(beside.few[step])} beside 1`,
          ratio: `${(median(beside.many[step]) / median(beside.few[step])).toFixed(2)} ×`,
          target: "1 ×",
        })),
      ];
    },
  },
});
