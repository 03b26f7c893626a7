import { Receipt } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { scanMachines } from "../../support/host-scan.ts";
import { type QemuServer, startQemuServer } from "../../support/qemu-server.ts";
import { poll } from "../../support/server.ts";

const ROUNDS = process.env.MICROTERM_SOAK === "1" ? 100 : 10;
/** A boot twice over, with a server's start in between. */
const ROUND_MS = 60_000;

let world: QemuServer;
beforeAll(async () => {
  world = await startQemuServer();
});
afterAll(() => world.close());

const ids = new Set<string>();
async function note(): Promise<void> {
  for (const { machineId } of (await world.daemon.client.list()).machines) ids.add(machineId);
}

const KILLS = {
  server: async () => {
    await world.restartServer();
  },
  daemon: () => world.daemon.killDaemon(),
  vmm: async () => {
    const { machines } = await world.daemon.client.list();
    for (const { pid, alive } of machines) if (alive && pid !== null) process.kill(pid, "SIGKILL");
  },
} as const;
/** What an environment has come to when the blow falls; in `destroying`, its removal has been asked for. */
const MOMENTS = ["disk", "machine", "kernel", "agent", "running", "destroying"] as const;

type Moment = (typeof MOMENTS)[number];
/** Whom a blow hits, and when: the first five in a short run. */
const BLOWS: readonly (readonly [keyof typeof KILLS, Moment])[] = [
  ["server", "kernel"],
  ["daemon", "machine"],
  ["vmm", "agent"],
  ["server", "destroying"],
  ["vmm", "destroying"],
  ["daemon", "destroying"],
  ["server", "disk"],
  ["daemon", "disk"],
  ["server", "machine"],
  ["vmm", "kernel"],
  ["daemon", "kernel"],
  ["server", "agent"],
  ["daemon", "agent"],
  ["server", "running"],
  ["vmm", "running"],
  ["daemon", "running"],
];

/** Resolves once the environment has come to this moment, or past it. */
async function untilMoment(id: string, moment: Moment): Promise<void> {
  const wanted = MOMENTS.indexOf(moment);
  await poll(`the moment '${moment}'`, async () => {
    const { state, step } = await world.server.ok("GET", `/v1/environments/${id}`);
    await note();
    if (state !== "creating") return true;
    return MOMENTS.indexOf(step) >= wanted;
  });
}

async function destroy(id: string): Promise<void> {
  await note();
  expect(Receipt.parse(await world.server.ok("DELETE", `/v1/environments/${id}`)).left).toEqual([]);
}

async function round(number: number): Promise<string> {
  const { id } = await world.server.ok("POST", "/v1/environments", { memoryMib: 128, diskMib: 64 });
  ids.add(id);
  if (number % 2 === 0) {
    expect(await world.until(id, "running")).toMatchObject({ state: "running" });
    await destroy(id);
    return "no blow";
  }
  const [victim, moment] = BLOWS[((number - 1) / 2) % BLOWS.length] as (typeof BLOWS)[number];
  await untilMoment(id, moment === "destroying" ? "running" : moment);
  if (moment === "destroying") {
    const first = world.server.call("DELETE", `/v1/environments/${id}`).catch(() => undefined);
    await KILLS[victim]();
    await first;
  } else {
    await KILLS[victim]();
    const { state } = await world.until(id, "running", "failed");
    expect(["running", "failed"]).toContain(state);
  }
  await destroy(id);
  return `-9 to ${victim} in ${moment}`;
}

describe(`${ROUNDS} rounds of create and destroy, half of them with a -9 in the middle`, () => {
  it(
    "end with nothing left on the host",
    async () => {
      const done: string[] = [];
      for (let number = 0; number < ROUNDS; number += 1) {
        done.push(
          await round(number).catch((error: unknown) => {
            throw new Error(`round ${number} after ${done.join(", ")}`, { cause: error });
          }),
        );
        expect(await scanMachines(world.daemon, [...ids]), `after round ${number}, ${done.at(-1)}`).toEqual([]);
      }
      expect(done.filter((round) => round !== "no blow")).toHaveLength(ROUNDS / 2);
      expect((await world.server.ok("GET", "/v1/environments")).environments).toEqual([]);
      expect(await world.daemon.client.scan([...ids])).toEqual([]);
    },
    ROUNDS * ROUND_MS,
  );
});
