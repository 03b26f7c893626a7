import {
  type Actor,
  createDriverRegistry,
  createEnvironmentService,
  type EnvironmentService,
  SYSTEM,
} from "@microterm/core";
import {
  accountRow,
  auditLogOf,
  createRecordingDriver,
  createRecordingNetwork,
  type RecordingDriverOptions,
  silentLog,
  systemClock,
  systemRandom,
} from "@microterm/core/testing";
import { Environment } from "@microterm/protocol";
import { expect, it, onTestFinished, vi } from "vitest";
import { makeTempFolder } from "../../support/temp-folder.ts";
import { openTestStorage } from "../../support/test-database.ts";
import { ANN, BOB } from "./core-server.ts";

async function world(driverOptions: RecordingDriverOptions = {}) {
  const folder = await makeTempFolder();
  const storage = await openTestStorage(folder.path);
  for (const { owner } of [ANN, BOB]) await storage.accounts.insert(accountRow(owner, "2026-11-28T10:00:00.000Z"));
  const network = createRecordingNetwork();
  const driver = createRecordingDriver({ networkLinks: ["slot"], ...driverOptions });
  const parts = {
    storage,
    audit: auditLogOf(storage),
    network,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  };
  const serve = async (): Promise<EnvironmentService> => {
    const service = createEnvironmentService({ ...parts, drivers: createDriverRegistry({ default: driver }) });
    await service.recover();
    return service;
  };
  const services = [await serve()];
  onTestFinished(async () => {
    for (const service of services) await service.close();
    await storage.close();
    await folder.remove();
  });
  const machineOf = async ({ id }: Environment) => {
    const { machineId } = (await storage.environments.get(id, SYSTEM)) ?? {};
    const machine = machineId == null ? undefined : driver.machines.get(machineId);
    if (machine === undefined) throw new Error("it has no machine");
    return machine;
  };
  return {
    service: services[0] as EnvironmentService,
    network,
    storage,
    /** The addresses that its guest was told, in order. */
    told: async (environment: Environment) =>
      (await machineOf(environment)).told.map((call) => ("interface" in call ? call.interface?.address : undefined)),
    sharedOf: async (environment: Environment) => network.shared.get((await machineOf(environment)).spec.machineId),
    restart: async (meanwhile: () => Promise<unknown>) => {
      await services.at(-1)?.close();
      await meanwhile();
      services.push(await serve());
      return services.at(-1) as EnvironmentService;
    },
  };
}

async function running(service: EnvironmentService, name: string): Promise<Environment> {
  const { id } = await service.create(ANN, { name, memoryMib: 300 });
  return (await service.wait(ANN, id, { states: ["running"], timeoutMs: 60_000 })) as Environment;
}

it("environments join a network and leave it while they run", async () => {
  const { service, told, sharedOf } = await world();
  const team = await service.createNetwork(ANN, { name: "team" });
  const other = await service.createNetwork(ANN, { name: "other" });
  const db = await running(service, "db");
  const events: string[] = [];
  onTestFinished(service.subscribe(({ id }) => void events.push(id)));
  await service.joinNetwork(ANN, "db", "team");
  expect(events).toEqual([db.id]);
  // What a client may see of it.
  const joined = Environment.parse(await service.joinNetwork(ANN, "db", team.id));
  expect([db.sharedNetwork, joined.id, joined.sharedNetwork]).toEqual([null, db.id, { id: team.id, name: "team" }]);
  expect((await service.get(ANN, "db")).sharedNetwork).toEqual(joined.sharedNetwork);
  expect([await sharedOf(db), await told(db)]).toEqual([team.id, ["10.0.0.1", "10.1.0.1", "10.1.0.1"]]);
  expect(await service.listNetworks(ANN)).toMatchObject([
    { name: "other", members: [] },
    { name: "team", members: [{ id: db.id, name: "db", address: "10.1.0.1" }] },
  ]);
  await expect(service.removeNetwork(ANN, "team")).rejects.toMatchObject({ code: "NETWORK_IN_USE" });
  await service.joinNetwork(ANN, "db", "other");
  expect(await sharedOf(db)).toBe(other.id);
  events.length = 0;
  await service.leaveNetwork(ANN, "db");
  expect(events).toEqual([db.id]);
  expect((await service.leaveNetwork(ANN, "db")).sharedNetwork).toBeNull();
  expect([await sharedOf(db), (await told(db)).at(-1)]).toEqual([undefined, "10.0.0.1"]);
  for (const name of ["team", "other"]) await service.removeNetwork(ANN, name);
  expect(await service.listNetworks(ANN)).toEqual([]);
  await expect(service.joinNetwork(ANN, "db", "team")).rejects.toMatchObject({ code: "NETWORK_NOT_FOUND" });
});

it("a member that is paused, stopped or destroyed takes its place along, or gives it up", async () => {
  const { service, told, sharedOf, network } = await world();
  const team = await service.createNetwork(ANN, { name: "team" });
  const db = await running(service, "db");
  await service.pause(ANN, "db");
  await service.wait(ANN, "db", { states: ["paused"], timeoutMs: 60_000 });
  await service.joinNetwork(ANN, "db", "team");
  expect((await service.listNetworks(ANN))[0]?.members).toEqual([{ id: db.id, name: "db", address: null }]);
  await service.resume(ANN, "db");
  await service.wait(ANN, "db", { states: ["running"], timeoutMs: 60_000 });
  expect([await sharedOf(db), await told(db)]).toEqual([team.id, ["10.1.0.2"]]);
  await service.stop(ANN, "db");
  await service.wait(ANN, "db", { states: ["stopped"], timeoutMs: 60_000 });
  expect(network.shared.size).toBe(0);
  await service.start(ANN, "db");
  await service.wait(ANN, "db", { states: ["running"], timeoutMs: 60_000 });
  expect([await sharedOf(db), await told(db)]).toEqual([team.id, ["10.1.0.3"]]);
  expect((await service.destroy(ANN, "db")).left).toEqual([]);
  expect(network.shared.size).toBe(0);
  await service.removeNetwork(ANN, "team");
});

it("a change that fails changes nothing", async () => {
  const { service, network, sharedOf } = await world();
  await service.createNetwork(ANN, { name: "team" });
  const db = await running(service, "db");
  network.failure = new Error("the host does not answer");
  await expect(service.joinNetwork(ANN, "db", "team")).rejects.toThrow("does not answer");
  expect([await sharedOf(db), (await service.listNetworks(ANN))[0]?.members]).toEqual([undefined, []]);
});

it.each(["failure", "lateFailure"] as const)(
  "a change that ends with a %s is undone until that holds",
  async (which) => {
    const { service, network, told, sharedOf } = await world();
    const { id: team } = await service.createNetwork(ANN, { name: "team" });
    await service.createNetwork(ANN, { name: "other" });
    const db = await running(service, "db");
    await service.joinNetwork(ANN, "db", "team");
    // The undo fails at first as well.
    const { share } = network;
    let tries = 0;
    network.share = (...asked) => {
      if (++tries <= 2) network[which] = new Error("the host does not answer");
      return share(...asked);
    };
    await expect(service.joinNetwork(ANN, "db", "other")).rejects.toThrow("does not answer");
    const members = (await service.listNetworks(ANN)).map((one) => one.members.map(({ name }) => name));
    expect(members).toEqual([[], ["db"]]);
    await vi.waitFor(() => expect(tries).toBe(3), { timeout: 60_000 });
    await vi.waitFor(async () => expect((await told(db)).at(-1)).toBe("10.1.0.1"), { timeout: 60_000 });
    expect(await sharedOf(db)).toBe(team);
  },
);

it("a change that fails over an environment that is being stopped is undone in its row", async () => {
  const { service, network, storage } = await world();
  const { id: team } = await service.createNetwork(ANN, { name: "team" });
  const db = await running(service, "db");
  const { share } = network;
  network.share = async () => {
    network.share = share;
    await service.stop(ANN, "db");
    throw new Error("the host does not answer");
  };
  await expect(service.joinNetwork(ANN, "db", "team")).rejects.toThrow("does not answer");
  expect((await storage.environments.get(db.id, SYSTEM))?.sharedNetwork).toBeNull();
  await service.wait(ANN, "db", { states: ["stopped"], timeoutMs: 60_000 });
  await storage.networks.remove(team);
  expect(await service.listNetworks(ANN)).toEqual([]);
});

it("a guest that goes on after a failed pause is in the network that it has changed to meanwhile", async () => {
  const [attaching, leaving] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { service, network, told, sharedOf } = await world({
    beforePause: () => Promise.reject(new Error("there is no room")),
  });
  await service.createNetwork(ANN, { name: "team" });
  const db = await running(service, "db");
  await service.joinNetwork(ANN, "db", "team");
  const { attach } = network;
  network.attach = async (machineId) => {
    attaching.resolve();
    await leaving.promise;
    return attach(machineId);
  };
  await service.pause(ANN, "db");
  await attaching.promise;
  const left = service.leaveNetwork(ANN, "db");
  // Without turns it would be done by now.
  await Promise.race([left, systemClock.sleep(100)]);
  leaving.resolve();
  await left;
  await vi.waitFor(async () => expect(await told(db)).toHaveLength(4), { timeout: 60_000 });
  expect([await sharedOf(db), (await told(db)).at(-1)]).toEqual([undefined, "10.0.0.1"]);
});

it("a guest that refuses to be told, or is silent, has no say in which network it is in", async () => {
  const answering = Promise.withResolvers<void>();
  let beforeNetwork = async (): Promise<void> => Promise.reject(new Error("the guest refuses"));
  const { service, told, sharedOf } = await world({ beforeNetwork: () => beforeNetwork() });
  const { id: team } = await service.createNetwork(ANN, { name: "team" });
  const db = await running(service, "db");
  const { sharedNetwork } = await service.joinNetwork(ANN, "db", "team");
  expect([sharedNetwork?.name, await sharedOf(db), await told(db)]).toEqual(["team", team, ["10.0.0.1"]]);

  beforeNetwork = () => answering.promise;
  const leaving = service.leaveNetwork(ANN, "db");
  await vi.waitFor(async () => expect(await sharedOf(db)).toBeUndefined(), { timeout: 60_000 });
  // Nor does it keep its owner from taking its policy away.
  expect((await service.update(ANN, "db", { network: { mode: "none" } })).network).toEqual({ mode: "none" });
  answering.resolve();
  expect((await leaving).sharedNetwork).toBeNull();
  await vi.waitFor(async () => expect((await told(db)).at(-1)).toBe("10.0.0.1"), { timeout: 60_000 });
});

it("what a server that died over a change had noted holds with the next one", async () => {
  const { service, storage, network, sharedOf, restart, told } = await world();
  const { id: team } = await service.createNetwork(ANN, { name: "team" });
  const [joining, leaving] = [await running(service, "joining"), await running(service, "leaving")];
  await service.joinNetwork(ANN, "leaving", "team");
  const note = async ({ id }: Environment, shared: typeof team | null) => {
    const row = await storage.environments.get(id, SYSTEM);
    const only = { state: "running", machineId: row?.machineId ?? null, most: 9 } as const;
    expect(await storage.environments.setSharedNetwork(id, shared, only)).not.toBeNull();
  };
  await restart(async () => {
    await note(joining, team);
    await note(leaving, null);
    network.failure = new Error("the host does not answer at first");
  });
  await vi.waitFor(
    async () => {
      expect([await sharedOf(joining), await sharedOf(leaving)]).toEqual([team, undefined]);
      expect([(await told(joining)).at(-1), (await told(leaving)).at(-1)]).toEqual(["10.1.0.1", "10.0.0.2"]);
    },
    { timeout: 60_000 },
  );
});

it("networks are their owner's, and who may look on changes none", async () => {
  const { service } = await world();
  await service.createNetwork(ANN, { name: "team" });
  await running(service, "db");
  expect(await service.listNetworks(BOB)).toEqual([]);
  await expect(service.removeNetwork(BOB, "team")).rejects.toMatchObject({ code: "NETWORK_NOT_FOUND" });
  await service.createNetwork(BOB, { name: "team" });
  await expect(service.joinNetwork(BOB, "db", "team")).rejects.toMatchObject({ code: "ENVIRONMENT_NOT_FOUND" });
  const viewer: Actor = { ...ANN, scopes: new Set(["environments:read"]) };
  expect(await service.listNetworks(viewer)).toHaveLength(1);
  for (const attempt of [
    () => service.createNetwork(viewer, { name: "more" }),
    () => service.removeNetwork(viewer, "team"),
    () => service.joinNetwork(viewer, "db", "team"),
    () => service.leaveNetwork(viewer, "db"),
  ]) {
    await expect(attempt()).rejects.toMatchObject({ code: "FORBIDDEN" });
  }
});
