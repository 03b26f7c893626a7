import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Environment, HostStatus, Receipt } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findLeftovers } from "../../packages/setup/src/doctor/leftovers.ts";
import { PLACES } from "../../support/internet/places.ts";
import { type QemuServer, SLOTS, startQemuServer } from "../../support/qemu-server.ts";
import { poll } from "../../support/server.ts";
import { startTestHost, type TestHost } from "../../support/test-host.ts";

const IS_LONG = process.env.MICROTERM_SOAK === "1";
const ROUND_MS = 180_000;
const WEB = PLACES["web.example.org"] as string;
/** Of a guest that is in its own network alone; members of shared ones have theirs of the instance's range. */
const OWN_ADDRESS = /^192\.0\.0\./;
const TEAM = "team";
const NONE = { network: { mode: "none" } };
/** A size without a template: the others are restored, or claimed from the pool. */
const BOOTED = { memoryMib: 192, diskMib: 256, ...NONE };
const END_AGENT = "end-agent.py";
/** From when a guest is armed until something else is asked for. */
const ASK_MS = 300;

let host: TestHost;
let world: QemuServer;
beforeAll(async () => {
  host = await startTestHost();
  world = await startQemuServer({ host, serverArgs: ["--pool", "1"] });
  await world.server.ok("POST", "/v1/networks", { name: TEAM });
});
afterAll(async () => {
  await world?.close();
  await host?.close();
});

type Victim = "server" | "daemon" | "vmm" | "agent";
const ALL: readonly Victim[] = ["server", "daemon", "vmm", "agent"];
/** Without the agent, which is killed from within its guest: that has to run. */
const OUTSIDE: readonly Victim[] = ["server", "daemon", "vmm"];

interface Step {
  readonly name: string;
  readonly victims: readonly Victim[];
  /** From when it has begun, a blow falls within so many ms. */
  readonly withinMs: number;
  /** Makes the environment that it is done to; without it, `begin` makes one. */
  prepare?(): Promise<string>;
  /** Asks for it; answers with the environment's id as soon as that is known. */
  begin(id: string): Promise<string>;
  /** As soon as it has been asked for, where absent. */
  hasBegun?(id: string): Promise<boolean>;
  /** Has the guest kill its agent in this step; a moment after it was asked for, where absent. */
  arm?(id: string): Promise<void>;
}

const pathOf = (id: string, rest = "") => `/v1/environments/${id}${rest}`;

/** What was asked for last: answered, or cut off by a blow. */
let asked: Promise<unknown> = Promise.resolve();
const ask =
  (method: string, rest = "", body?: object) =>
  async (id: string) => {
    asked = world.server.call(method, pathOf(id, rest), body === undefined ? {} : { body }).catch(() => undefined);
    return id;
  };

const create = (body: object) => async (): Promise<string> =>
  (await world.server.ok("POST", "/v1/environments", body)).id;

async function created(): Promise<string> {
  const id = await create(NONE)();
  await world.until(id, "running");
  return id;
}

/** After something else was done to one. */
const after = (rest: string, body: object, state: string) => async (): Promise<string> => {
  const id = await created();
  await world.server.ok("POST", pathOf(id, rest), body);
  await world.until(id, state);
  return id;
};

async function poolFilled(): Promise<void> {
  const isFilled = async () => HostStatus.parse(await world.server.ok("GET", "/v1/host")).pool.ready === 1;
  await poll("the pool's machine", isFilled);
}

async function show(id: string): Promise<Environment | null> {
  const { status, json } = await world.server.call("GET", pathOf(id));
  return status === 404 ? null : Environment.parse(json);
}

/** Whether its boot has come so far, or is over. */
const hasCome =
  (...steps: readonly string[]) =>
  async (id: string) => {
    const shown = await show(id);
    return shown?.state !== "creating" || steps.includes(shown.step ?? "");
  };

/** Has the guest kill its agent: so many seconds from now, or once it has been resumed. */
async function arm(id: string, when: string): Promise<void> {
  await world.run(id, `sudo -n nohup python3 ${END_AGENT} ${when} >/dev/null 2>&1 &`);
  await poll("the guest to be armed", () =>
    world.run(id, "test -e armed").then(
      ({ code }) => code === 0,
      () => true,
    ),
  );
}

const STEPS: readonly Step[] = [
  {
    name: "slot",
    victims: ["server", "daemon"],
    withinMs: 100,
    begin: create(BOOTED),
    // Another is made in the place of the one that it takes.
    async hasBegun(id) {
      const { freeSlots } = await world.daemon.client.networkStatus();
      return freeSlots < SLOTS || (await hasCome("kernel")(id));
    },
  },
  { name: "create", victims: OUTSIDE, withinMs: 2000, begin: create(BOOTED), hasBegun: hasCome("machine", "kernel") },
  { name: "restore", victims: OUTSIDE, withinMs: 500, begin: create(NONE) },
  {
    name: "identify",
    victims: OUTSIDE,
    withinMs: 200,
    begin: create(BOOTED),
    hasBegun: hasCome("agent", "terminal"),
  },
  {
    name: "claim",
    victims: OUTSIDE,
    withinMs: 50,
    async begin() {
      await poolFilled();
      return create(NONE)();
    },
  },
  {
    name: "policy",
    victims: ALL,
    withinMs: 30,
    prepare: created,
    begin: ask("PATCH", "", { network: { mode: "open" } }),
  },
  {
    name: "join",
    victims: ALL,
    withinMs: 50,
    prepare: created,
    begin: ask("POST", "/network/join", { network: TEAM }),
  },
  {
    name: "leave",
    victims: ALL,
    withinMs: 50,
    prepare: after("/network/join", { network: TEAM }, "running"),
    begin: ask("POST", "/network/leave"),
  },
  { name: "pause", victims: ALL, withinMs: 1000, prepare: created, begin: ask("POST", "/pause") },
  {
    name: "destroy",
    victims: ALL,
    withinMs: 200,
    prepare: after("/network/join", { network: TEAM }, "running"),
    begin: ask("DELETE"),
  },
  {
    name: "start",
    victims: ALL,
    withinMs: 3000,
    prepare: created,
    async arm(id) {
      // Its first shell does so, which is a part of the start.
      const script = `rm .profile; sync; sudo -n python3 ${END_AGENT} 0`;
      await world.run(id, `echo '${script}' >.profile; sync`);
    },
    async begin(id) {
      await world.server.ok("POST", pathOf(id, "/stop"));
      await world.until(id, "stopped");
      return ask("POST", "/start")(id);
    },
  },
  {
    name: "resume",
    victims: ALL,
    withinMs: 500,
    prepare: created,
    arm: (id) => arm(id, "woken"),
    async begin(id) {
      await world.server.ok("POST", pathOf(id, "/pause"));
      await world.until(id, "paused");
      return ask("POST", "/resume")(id);
    },
  },
];

const KILLS: Readonly<Record<Victim, () => unknown>> = {
  server: () => world.restartServer(),
  daemon: () => world.daemon.killDaemon(),
  // All of them, as nothing says which one a claimed environment has.
  async vmm() {
    const { machines } = await world.daemon.client.list();
    for (const { pid, alive } of machines) if (alive && pid !== null) process.kill(pid, "SIGKILL");
  },
  // Its guest does.
  agent: () => undefined,
};

/** The last two steps are in the long form alone, the others in both: in each course with another victim. */
const BLOWS = Array.from({ length: IS_LONG ? 200 : 10 }, (_, number) => {
  const step = STEPS[number % STEPS.length] as Step;
  const victim = step.victims[(number + Math.floor(number / STEPS.length)) % step.victims.length] as Victim;
  return { number, step, victim };
});

/** In [0, 1), the same for the same round. */
const chance = (number: number): number => (Math.imul(number + 1, 0x9e3779b1) >>> 0) / 2 ** 32;

/** What it has come to once nothing is done to it any more. */
async function restOf(id: string): Promise<string> {
  let state = "";
  await poll(`${id} to come to rest`, async () => {
    const shown = await show(id);
    state = shown?.state ?? "gone";
    return shown === null || (shown.operation === null && !["creating", "destroying"].includes(state));
  });
  return state;
}

/** From whatever it has come to, back to where it runs. In the short form what failed is not booted again. */
async function revive(id: string, state: string): Promise<string> {
  const isOver = state === "running" || state === "gone" || (!IS_LONG && state !== "paused");
  if (isOver) return state;
  await world.server.ok("POST", pathOf(id, state === "paused" ? "/resume" : "/start"));
  return (await world.until(id, "running", "failed", "paused")).state;
}

/** The same for one whose guest may have died a moment ago, or is about to where it ends its agent itself. */
async function reviveDead(id: string, victim: Victim): Promise<string> {
  const isDead = () =>
    world.run(id, "true").then(
      () => false,
      () => true,
    );
  // Another boot than the one in which the guest was armed.
  const hasDied = () =>
    world.run(id, "cmp -s armed /proc/sys/kernel/random/boot_id").then(
      ({ code }) => code === 1,
      () => true,
    );
  if (victim === "agent") await poll("the agent's end", hasDied);
  return (await isDead()) ? revive(id, (await world.until(id, "failed", "stopped")).state) : "running";
}

/** What its row says is what its guest is held to and knows. */
async function expectWhole(id: string): Promise<void> {
  const shown = Environment.parse(await world.server.ok("GET", pathOf(id)));
  const { stdout } = await world.run(id, `timeout 20 bash -c '</dev/tcp/${WEB}/80' 2>/dev/null && echo reached; true`);
  expect(stdout).toBe(shown.network?.mode === "open" ? "reached\n" : "");
  await poll("its address", async () => {
    const address = await world.run(id, "ip -brief -4 address show dev eth0 | awk '{ print $3 }'");
    return OWN_ADDRESS.test(address.stdout) === (shown.sharedNetwork === null);
  });
}

async function round({ number, step, victim }: (typeof BLOWS)[number]): Promise<string> {
  asked = Promise.resolve();
  let id = (await step.prepare?.()) ?? "";
  const withinMs = Math.round(chance(number) * step.withinMs);
  if (victim === "agent") {
    const program = { raw: readFileSync(join(import.meta.dirname, END_AGENT)) };
    await world.server.call("PUT", pathOf(id, `/files/content?path=${END_AGENT}`), program);
    await (step.arm?.(id) ?? arm(id, String((ASK_MS + withinMs) / 1000)));
  }
  id = await step.begin(id);
  await poll(`'${step.name}'`, () => step.hasBegun?.(id) ?? true);
  await delay(withinMs);
  await KILLS[victim]();
  await asked;

  const state = await restOf(id);
  // Who dies beside a guest costs it nothing; only of a resume that the daemon died in nobody knows how far it came.
  if (victim === "server" || (victim === "daemon" && step.name !== "resume")) {
    expect(["running", "paused", "gone"]).toContain(state);
  }
  let now = await revive(id, state);
  if (now === "running" && (victim === "vmm" || victim === "agent")) now = await reviveDead(id, victim);
  const mayFail = !IS_LONG && (victim === "vmm" || victim === "agent");
  expect(["running", "gone", ...(mayFail ? ["failed", "stopped"] : [])]).toContain(now);
  if (now === "running") await expectWhole(id);
  for (const { id } of (await world.server.ok("GET", "/v1/environments")).environments) {
    expect(Receipt.parse(await world.server.ok("DELETE", pathOf(id))).left).toEqual([]);
  }
  return `-9 to ${victim} ${withinMs} ms after ${step.name}: ${state}`;
}

async function expectNothingLeft(): Promise<void> {
  expect(await world.server.ok("GET", "/v1/environments")).toMatchObject({ environments: [] });
  const holders = { daemon: world.daemon.client, server: world.server.pid };
  expect((await findLeftovers(world.daemon, holders)).found).toEqual([]);
}

describe(`${BLOWS.length} environments, each with a -9 at one of its steps`, () => {
  it(
    "end with nothing left on the host, and none that is stuck",
    async () => {
      const done: string[] = [];
      for (const blow of BLOWS) {
        const name = `-9 to ${blow.victim} in ${blow.step.name} (round ${blow.number})`;
        done.push(
          await round(blow).catch((error: unknown) => {
            throw new Error(`${name}, after ${done.join(", ")}`, { cause: error });
          }),
        );
        await expectNothingLeft();
      }
    },
    BLOWS.length * ROUND_MS,
  );
});
