import { createCredentialService, SYSTEM, type VmDriver } from "@microterm/core";
import { auditLogOf, runInGuest, systemClock, systemRandom } from "@microterm/core/testing";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type PostgresCluster, startPostgres } from "../../support/postgres-cluster.ts";
import { ANN, type Server, sha256 } from "./core-server.ts";
import { type FleetWorld, makeFleet } from "./fleet-world.ts";

const PATIENT = { timeoutMs: 90_000 } as const;

let cluster: PostgresCluster;

beforeAll(async () => {
  cluster = await startPostgres();
});

afterAll(() => cluster.remove());

const running = async ({ service }: Server, name: string) => {
  const { id } = await service.create(ANN, { name });
  await service.wait(ANN, id, { states: ["running"], ...PATIENT });
  return id;
};

const rowOf = async ({ storage }: Server, name: string) => {
  const row = await storage.environments.find(name, ANN);
  if (row === null) throw new Error(`there is no ${name}`);
  return row;
};

/** Until a program can be run in it by this server. */
const answers = ({ service }: Server, name: string) =>
  expect
    .poll(async () => {
      try {
        return (await runInGuest(await service.agent(ANN, name), ["echo", "there"])).stdout;
      } catch (error) {
        return String(error);
      }
    })
    .toBe("there\n");

const two = async (world: FleetWorld) => [await world.start(), await world.start()] as const;

it("a server that is killed has its environments taken over, with their machines", async () => {
  const world = await makeFleet(cluster);
  const survivor = await world.start();
  const { child, number } = await world.spawn("orphan");
  const before = await rowOf(survivor, "orphan");
  expect(before.server).toBe(number);
  expect(await survivor.service.holder(before.id)).toMatchObject({ number });
  child.kill("SIGKILL");
  await answers(survivor, "orphan");
  expect(await rowOf(survivor, "orphan")).toMatchObject({
    ...{ state: "running", machineId: before.machineId },
    ...{ server: survivor.storage.fleet.number, epoch: before.epoch + 1 },
  });
  expect(await survivor.service.holder(before.id)).toBeNull();
});

it("a server that stands still has its environments taken over, and ends when it goes on", async () => {
  const world = await makeFleet(cluster);
  const survivor = await world.start();
  const { child, ended } = await world.spawn("frozen");
  const before = await rowOf(survivor, "frozen");
  child.kill("SIGSTOP");
  await answers(survivor, "frozen");
  const taken = await rowOf(survivor, "frozen");
  child.kill("SIGCONT");
  expect(await ended).toEqual([1, null]);
  expect(await rowOf(survivor, "frozen")).toEqual(taken);
  expect(taken).toMatchObject({ machineId: before.machineId, server: survivor.storage.fleet.number });
  await answers(survivor, "frozen");
});

it("a server that is told to end hands its environments over", async () => {
  const world = await makeFleet(cluster);
  const [leaving, staying] = await two(world);
  await running(leaving, "handed");
  const before = await rowOf(staying, "handed");
  await leaving.close();
  await answers(staying, "handed");
  expect(await rowOf(staying, "handed")).toMatchObject({
    ...{ state: "running", machineId: before.machineId, server: staying.storage.fleet.number },
  });
});

it("a server takes over many machines at once", async () => {
  const world = await makeFleet(cluster);
  const leaving = await world.start();
  const { promise: all, resolve: allAreAsked } = Promise.withResolvers<void>();
  let asked = 0;
  const waiting = (own: VmDriver): VmDriver => ({
    ...own,
    async adopt(...args) {
      if (++asked === 3) allAreAsked();
      await all;
      return own.adopt(...args);
    },
  });
  const staying = await world.start({ registry: (own) => ({ default: waiting(own) }) });
  for (const name of ["one", "two", "three"]) await running(leaving, name);
  await leaving.close();
  for (const name of ["one", "two", "three"]) await answers(staying, name);
});

it("servers that start and recover at once leave each other's machines alone, and give none out twice", async () => {
  const world = await makeFleet(cluster);
  const slow = (own: VmDriver): VmDriver => ({ ...own, capabilities: { ...own.capabilities, bootsAhead: true } });
  const options = { pool: 2, registry: (own: VmDriver) => ({ default: slow(own) }) };
  const servers = [await world.start(options), await world.start(options)] as const;
  for (const { service } of servers) await expect.poll(() => service.pool().ready).toBe(2);
  const waiting = (await servers[0].driver.list()).map(({ machineId }) => machineId);
  expect(new Set(waiting).size).toBe(4);
  expect((await servers[0].storage.fleet.pooled.list()).toSorted()).toEqual(waiting.toSorted());
  for (const { service } of servers) expect(await service.recover()).toMatchObject({ machinesRemoved: 0 });

  const creates = servers.flatMap((server, at) => [0, 1, 2].map((n) => running(server, `s${at}-${n}`)));
  let areCreated = false;
  const created = Promise.all(creates).finally(() => {
    areCreated = true;
  });
  let removed = 0;
  while (!areCreated) {
    for (const { service } of servers) removed += (await service.recover()).machinesRemoved;
  }
  const ids = await created;
  expect(removed).toBe(0);
  const rows = await Promise.all(ids.map((id) => servers[0].storage.environments.get(id, SYSTEM)));
  expect(new Set(rows.map((row) => row?.machineId)).size).toBe(6);
  expect(rows.filter((row) => waiting.some((machine) => machine === row?.machineId))).toHaveLength(4);
  expect(rows.map((row) => row?.state)).toEqual(rows.map(() => "running"));
  for (const [at, server] of servers.entries()) for (const n of [0, 1, 2]) await answers(server, `s${at}-${n}`);
});

it("a server that ends leaves its pool to its peers, who remove it, and the last one removes its own", async () => {
  const world = await makeFleet(cluster);
  const ahead = (own: VmDriver): VmDriver => ({ ...own, capabilities: { ...own.capabilities, bootsAhead: true } });
  const options = { pool: 2, registry: (own: VmDriver) => ({ default: ahead(own) }) };
  const servers = [await world.start(options), await world.start(options)] as const;
  for (const { service } of servers) await expect.poll(() => service.pool().ready).toBe(2);
  await expect.poll(() => servers[1].storage.fleet.peers().length).toBe(1);
  const { driver } = servers[0];
  await servers[1].close();
  await expect.poll(async () => (await driver.list()).length).toBe(2);
  expect(servers[0].service.pool().ready).toBe(2);
  await expect.poll(() => servers[0].storage.fleet.peers().length).toBe(0);
  await servers[0].service.close();
  expect(await driver.list()).toEqual([]);
});

it("what one server does the others hear of, and who waits there", async () => {
  const [one, other] = await two(await makeFleet(cluster));
  const heard: string[] = [];
  other.service.subscribe(({ kind, id }) => heard.push(`${kind} ${id}`));
  const { id } = await one.service.create(ANN, { name: "heard" });
  const reached = await other.service.wait(ANN, id, { states: ["running"], ...PATIENT });
  expect(reached).toMatchObject({ id, state: "running" });
  expect(heard).toContain(`changed ${id}`);
  const gone = other.service.wait(ANN, id, { states: ["gone"], ...PATIENT });
  await one.service.destroy(ANN, id);
  expect(await gone).toBeNull();
  await expect.poll(() => heard).toContain(`removed ${id}`);
});

it("what is at rest has no holder, and is then held by the server that starts it", async () => {
  const [one, other] = await two(await makeFleet(cluster));
  const id = await running(one, "moving");
  await one.service.stop(ANN, id);
  await one.service.wait(ANN, id, { states: ["stopped"], ...PATIENT });
  expect(await rowOf(one, "moving")).toMatchObject({ server: null });
  await other.service.start(ANN, id);
  await other.service.wait(ANN, id, { states: ["running"], ...PATIENT });
  await answers(other, "moving");
  await expect.poll(() => one.service.holder(id)).toMatchObject({ number: other.storage.fleet.number });
});

it("one that a peer holds is stopped by none but the peer", async () => {
  const [one, other] = await two(await makeFleet(cluster));
  const id = await running(one, "theirs");
  await expect(other.service.stop(ANN, id)).rejects.toMatchObject({ code: "ENVIRONMENT_MOVED" });
  expect(await rowOf(other, "theirs")).toMatchObject({ state: "running", operation: null });
});

it("an account's environments are destroyed and stopped wherever they are held", async () => {
  const [one, other] = await two(await makeFleet(cluster));
  await running(one, "stopped");
  await other.service.stopAllOf(ANN.owner);
  expect(await rowOf(one, "stopped")).toMatchObject({ state: "running", operation: null });
  await one.service.stopAllOf(ANN.owner);
  await expect.poll(() => other.service.stopAllOf(ANN.owner)).toBe(true);

  await running(one, "removed");
  const { machineId } = await rowOf(one, "removed");
  await other.service.destroyAllOf({ ...ANN, role: "admin" }, ANN.owner);
  expect(await other.storage.environments.receipt("removed", ANN)).toMatchObject({
    left: [],
    removed: { processes: 2 },
  });
  expect((await other.driver.list()).map((found) => found.machineId)).not.toContain(machineId);
});

it("an account gets what its quota has room for, by however many servers it asks", async () => {
  const servers = await two(await makeFleet(cluster));
  const [{ storage }] = servers;
  await storage.quotas.setAccount(ANN.owner, { ...(await storage.quotas.roles()).admin, environments: 3 });
  const asked = servers.flatMap(({ service }, at) =>
    [0, 1, 2].map((n) => service.create(ANN, { name: `q${at}-${n}` }).catch((error: { code: string }) => error.code)),
  );
  const given = await Promise.all(asked);
  expect(given.filter((answer) => answer === "QUOTA_EXCEEDED")).toHaveLength(3);
  expect(await servers[1].service.list(ANN)).toHaveLength(3);
});

it("one whose time to live is over is destroyed once, whoever held it", async () => {
  const [one, other] = await two(await makeFleet(cluster));
  const { id } = await one.service.create(ANN, { name: "brief", ttlSeconds: 60 });
  await one.service.wait(ANN, id, { states: ["running"], ...PATIENT });
  await one.service.update(ANN, id, { ttlSeconds: 1 });
  expect(await other.service.wait(ANN, id, { states: ["gone"], ...PATIENT })).toBeNull();
  expect(await other.storage.environments.receipt("brief", ANN)).toMatchObject({ cause: "expiry", left: [] });
});

it("a credential that is revoked by one server has ended at all", async () => {
  const [one, other] = await two(await makeFleet(cluster));
  const credentialsOf = ({ storage, log }: Server) =>
    createCredentialService({
      ...{ storage, clock: systemClock, random: systemRandom, sha256, log },
      audit: auditLogOf(storage, { log }),
    });
  const [there, here] = [credentialsOf(one), credentialsOf(other)];
  const ended: string[] = [];
  here.subscribe((hash) => ended.push(hash));
  const { secret, credential } = await there.issue("session", ANN.owner, { lifetimeMs: 60_000 });
  expect(await here.authenticate(secret, null)).not.toBeNull();
  expect(await there.revoke({ secret })).toBe(true);
  await expect.poll(() => ended).toEqual([credential.hash]);
  expect(await here.authenticate(secret, null)).toBeNull();
});

it("what is on the console of a machine that has ended is every server's, until there is a newer machine", async () => {
  const world = await makeFleet(cluster);
  const registry = (own: VmDriver) => ({
    default: { ...own, capabilities: { ...own.capabilities, supportsConsole: true } },
  });
  const [one, other] = [await world.start({ registry }), await world.start({ registry })];
  const id = await running(one, "stopped");
  await one.service.stop(ANN, id);
  await one.service.wait(ANN, id, { states: ["stopped"], ...PATIENT });
  const consoleAt = async ({ service }: Server) => String(Buffer.from(await service.console(ANN, id)));
  const text = await consoleAt(other);
  expect(text).toContain("console");
  await one.close();
  expect(await consoleAt(other)).toBe(text);
  await other.service.start(ANN, id);
  await other.service.wait(ANN, id, { states: ["running"], ...PATIENT });
  await expect.poll(() => other.storage.consoles.get(id)).toBeNull();
});
