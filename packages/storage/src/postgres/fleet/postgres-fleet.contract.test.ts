import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type FleetNotice, type Storage, SYSTEM } from "@microterm/core";
import { accountRow, environmentRow } from "@microterm/core/testing";
import { EnvironmentId, type EnvironmentState, MachineId, OwnerId } from "@microterm/protocol";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type PostgresCluster, startPostgres } from "../../../../../support/postgres-cluster.ts";
import { createQuietLog } from "../../../../../support/quiet-log.ts";
import { createPostgresStorage } from "../postgres-storage.ts";

const ANN = OwnerId.parse("annannann");
const NOW = "2026-11-22T10:00:00.000Z";
const MEMBER = new URL("../../../../../support/fleet-member.ts", import.meta.url).pathname;

let cluster: PostgresCluster;
let databases = 0;

beforeAll(async () => {
  cluster = await startPostgres();
});

afterAll(() => cluster.remove());

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

async function makeDatabase(): Promise<string> {
  const name = `fleet_${databases++}`;
  await query(cluster.url("postgres"), `create database ${name}`);
  return cluster.url(name);
}

interface Member extends Storage {
  readonly told: FleetNotice[];
  readonly deaths: string[];
}

async function join(url: string, address = "127.0.0.1:7600"): Promise<Member> {
  const deaths: string[] = [];
  const fleet = { address, onDeclaredDead: () => void deaths.push("dead") };
  const storage = await createPostgresStorage({ url, log: createQuietLog(), fleet });
  const told: FleetNotice[] = [];
  storage.fleet.subscribe((notice) => told.push(notice));
  onTestFinished(() => storage.close());
  return { ...storage, told, deaths };
}

async function makeAccount({ accounts, quotas }: Storage): Promise<void> {
  await accounts.insert(accountRow(ANN, NOW));
  await quotas.setRole("member", (await quotas.roles()).admin);
}

/** As `server` made it. */
async function makeEnvironment(storage: Storage, name: string, state: EnvironmentState = "running") {
  const id = EnvironmentId.parse(name.padStart(12, "0"));
  const row = environmentRow({ id, name, owner: ANN, state, server: storage.fleet.number });
  // In a transaction, as core does: it outlives a crash of the database.
  await storage.transaction(({ environments }) => environments.insert(row));
  return row;
}

const holders = async ({ environments }: Storage) =>
  new Map((await environments.list(SYSTEM)).map(({ name, server }) => [name, server]));

async function startMember(
  url: string,
  name: string,
): Promise<{ readonly child: ChildProcess; readonly number: number }> {
  const child = spawn(process.execPath, [MEMBER, url, "127.0.0.1:7699", name], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [line] = await once(child.stdout, "data");
  return { child, number: Number(String(line)) };
}

describe("a fleet on postgresql", () => {
  it("has members that know each other, each by a number of its own", async () => {
    const url = await makeDatabase();
    const [one, other] = [await join(url, "10.0.0.1:7600"), await join(url, "10.0.0.2:7600")];
    await expect.poll(() => one.fleet.peers()).toEqual([{ number: other.fleet.number, address: "10.0.0.2:7600" }]);
    expect(other.fleet.peers()).toEqual([{ number: one.fleet.number, address: "10.0.0.1:7600" }]);
    expect(one.fleet.number).not.toBe(other.fleet.number);
    await other.close();
    await expect.poll(() => one.fleet.peers()).toEqual([]);
  });

  it("refuses a server that wants the database for itself, and is refused by one that has it", async () => {
    const url = await makeDatabase();
    const member = await join(url);
    const alone = () => createPostgresStorage({ url, log: createQuietLog() });
    await expect(alone()).rejects.toMatchObject({ code: "ENVIRONMENT_STATE" });
    await member.close();
    const single = await alone();
    await expect(join(url)).rejects.toMatchObject({
      code: "ENVIRONMENT_STATE",
      message: expect.stringContaining("--fleet"),
    });
    await single.close();
    await join(url);
  });

  it("leaves nothing of itself to a server that has the database for itself after it", async () => {
    const url = await makeDatabase();
    const first = await join(url);
    await makeAccount(first);
    await makeEnvironment(first, "killed", "creating");
    await makeEnvironment(first, "resting", "stopped");
    await query(url, "update environments set server = null");
    await first.close();
    const { child, number } = await startMember(url, "killed");
    await query(url, `insert into pool_machines (machine, server) values ('${"m".repeat(16)}', ${number})`);
    child.kill("SIGKILL");
    await once(child, "exit");
    const single = await createPostgresStorage({ url, log: createQuietLog() });
    const rows = await single.environments.list(SYSTEM);
    const held = new Map(rows.map(({ name, server, epoch }) => [name, { server, epoch }]));
    expect(held.get("killed")).toEqual({ server: null, epoch: 2 });
    expect(held.get("resting")).toEqual({ server: null, epoch: 0 });
    expect(await query(url, "select number from servers")).toEqual([]);
    expect(await query(url, "select machine from pool_machines")).toEqual([]);
    await single.close();
  });

  it("tells what happens to the others, and to nobody else", async () => {
    const url = await makeDatabase();
    const [one, other] = [await join(url), await join(url)];
    const notices: FleetNotice[] = [
      { kind: "changed", id: EnvironmentId.parse("a".repeat(12)), owner: ANN },
      { kind: "transferred", id: EnvironmentId.parse("a".repeat(12)), owner: ANN, to: OwnerId.parse("bobbobbob") },
      { kind: "work", id: EnvironmentId.parse("a".repeat(12)) },
      { kind: "revoked", key: "0".repeat(64) },
      { kind: "preview", key: "1".repeat(64) },
      { kind: "grant", key: "g".repeat(12) },
      { kind: "disabled" },
    ];
    for (const notice of notices) one.fleet.notify(notice);
    await expect.poll(() => other.told).toEqual(notices);
    expect(one.told).toEqual([]);
  });

  it.each([
    "not json",
    "{}",
    '{"from":1,"notice":{"kind":"revoked","key":"x y"}}',
    '{"from":1,"notice":{"kind":"other"}}',
  ])("takes no notice of %s", async (payload) => {
    const url = await makeDatabase();
    const [one, other] = [await join(url), await join(url)];
    await query(url, `select pg_notify('microterm', '${payload}')`);
    one.fleet.notify({ kind: "disabled" });
    await expect.poll(() => other.told).toEqual([{ kind: "disabled" }]);
  });

  it("has one holder for what runs and none for what is at rest, and refuses what is not the holder's to do", async () => {
    const url = await makeDatabase();
    const [one, other] = [await join(url), await join(url)];
    await makeAccount(one);
    const { id } = await makeEnvironment(one, "mine");
    expect((await holders(one)).get("mine")).toBe(one.fleet.number);
    expect(await other.environments.transition(id, ["running"], "stopped")).toBeNull();
    expect(await one.environments.transition(id, ["running"], "stopped")).toMatchObject({ server: null, epoch: 0 });
    await query(url, `update environments set network = '{"mode":"none"}'`);
    expect(await one.environments.setNetwork(id, { mode: "open" })).not.toBeNull();
    const started = await other.environments.begin(id, ["stopped"], {}, NOW);
    expect(started).toMatchObject({ server: other.fleet.number, epoch: 1 });
    expect(await one.environments.setNetwork(id, { mode: "none" })).toBeNull();
    expect(await other.environments.setNetwork(id, { mode: "none" })).not.toBeNull();
    expect(await one.environments.transition(id, ["creating"], "running")).toBeNull();
    const heldBy = other.fleet.number ?? 0;
    const destroying = await one.environments.transition(id, ["creating"], "destroying", {}, { heldBy });
    expect(destroying).toMatchObject({ state: "destroying", server: heldBy, epoch: 1 });
  });

  it("shares what nobody holds among all that claim it, each environment once", async () => {
    const url = await makeDatabase();
    const [one, other] = [await join(url), await join(url)];
    await expect.poll(() => [one, other].map(({ fleet }) => fleet.peers().length)).toEqual([1, 1]);
    await makeAccount(one);
    for (let i = 0; i < 60; i++) await makeEnvironment(one, `env${i}`, i < 10 ? "stopped" : "running");
    await query(url, "update environments set server = null");
    const claimed = await Promise.all([one.fleet.claim(), other.fleet.claim()]);
    for (const count of claimed) expect(count).toBeGreaterThan(15);
    let more = 0;
    do more = (await one.fleet.claim()) + (await other.fleet.claim());
    while (more > 0);
    const counts = new Map<number | null, number>();
    for (const server of (await holders(one)).values()) counts.set(server, (counts.get(server) ?? 0) + 1);
    expect(counts.get(null)).toBe(10);
    expect((counts.get(one.fleet.number) ?? 0) + (counts.get(other.fleet.number) ?? 0)).toBe(50);
    expect(await one.fleet.claim()).toBe(0);
  });

  it("frees at once what a server that ends leaves, and tells the others", async () => {
    const url = await makeDatabase();
    const [one, other] = [await join(url), await join(url)];
    await makeAccount(one);
    await makeEnvironment(one, "left");
    await one.fleet.pooled.add(MachineId.parse("m".repeat(16)));
    await one.close();
    await expect.poll(() => other.told).toEqual([{ kind: "orphans" }]);
    expect((await holders(other)).get("left")).toBeNull();
    expect(await other.fleet.pooled.list()).toEqual([]);
    expect(await other.fleet.claim()).toBe(1);
  });

  it("takes over a server that was killed", async () => {
    const url = await makeDatabase();
    const one = await join(url);
    await makeAccount(one);
    await makeEnvironment(one, "killed", "creating");
    await query(url, "update environments set server = null");
    const { child, number } = await startMember(url, "killed");
    await expect.poll(() => one.fleet.peers()).toEqual([{ number, address: "127.0.0.1:7699" }]);
    expect((await holders(one)).get("killed")).toBe(number);
    child.kill("SIGKILL");
    await expect.poll(() => one.told).toEqual(["died", "died", "orphans"].map((kind) => ({ kind })));
    expect((await holders(one)).get("killed")).toBeNull();
    expect(one.fleet.peers()).toEqual([]);
    expect(one.deaths).toEqual([]);
  });

  it("takes over a server that is stopped, none of whose statements comes afterwards, and which ends when it goes on", async () => {
    const url = await makeDatabase();
    const one = await join(url);
    await makeAccount(one);
    const { id } = await makeEnvironment(one, "frozen", "creating");
    await query(url, "update environments set server = null");
    const { child } = await startMember(url, "frozen");
    await expect.poll(async () => (await one.environments.get(id, SYSTEM))?.interruptions).toBeGreaterThan(0);
    child.kill("SIGSTOP");
    await expect.poll(() => one.told).toContainEqual({ kind: "orphans" });
    const at = await one.environments.get(id, SYSTEM);
    expect(at?.server).toBeNull();
    const ended = once(child, "exit");
    child.kill("SIGCONT");
    expect(await ended).toEqual([1, null]);
    expect(await one.environments.get(id, SYSTEM)).toEqual(at);
    expect(await one.fleet.claim()).toBe(1);
  });

  it("frees what a server held whose takeover was cut off", async () => {
    const url = await makeDatabase();
    const one = await join(url);
    await makeAccount(one);
    await makeEnvironment(one, "halfway");
    await query(url, "update environments set server = 1");
    await one.close();
    const other = await join(url);
    expect((await holders(other)).get("halfway")).toBeNull();
  });

  it.each(["crash", "freeze"] as const)("has all of its members after a %s of the database", async (end) => {
    const url = await makeDatabase();
    const members = [await join(url), await join(url), await join(url)];
    const numbers = members.map(({ fleet }) => fleet.number);
    const [one] = members as [Member];
    await makeAccount(one);
    await makeEnvironment(one, "kept");
    await expect.poll(() => one.fleet.peers()).toHaveLength(2);
    await cluster[end]();
    await expect(one.environments.list(SYSTEM)).rejects.toMatchObject({ code: "DATABASE_UNAVAILABLE" });
    await (end === "crash" ? cluster.start() : cluster.thaw());
    // The others may not have noticed that it stood still.
    await expect.poll(() => one.told).toContainEqual({ kind: "missed" });
    for (const member of members) {
      await expect.poll(() => member.environments.list(SYSTEM).catch(() => null)).toHaveLength(1);
    }
    // Longer than a peer may be without its lock.
    const looks = Number((await query(url, "select max(seen_at) as at from servers"))[0]?.at) + 12_000;
    await expect
      .poll(async () => Number((await query(url, "select min(seen_at) as at from servers"))[0]?.at))
      .toBeGreaterThan(looks);
    expect(members.map(({ fleet }) => fleet.number)).toEqual(numbers);
    expect(members.flatMap(({ deaths }) => deaths)).toEqual([]);
    expect((await holders(one)).get("kept")).toBe(one.fleet.number);
    one.fleet.notify({ kind: "disabled" });
    await expect.poll(() => members[1]?.told).toContainEqual({ kind: "disabled" });
  });
});
