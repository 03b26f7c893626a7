import { join } from "node:path";
import {
  type Clock,
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
import { createLoopbackNetwork } from "@microterm/networks";
import type { CreateEnvironment, Environment, MachineId, NetworkPolicy } from "@microterm/protocol";
import { createSqliteStorage } from "@microterm/storage";
import { expect, it, onTestFinished, vi } from "vitest";
import { makeTempFolder } from "../../support/temp-folder.ts";
import { ANN } from "./core-server.ts";

const OPEN = { mode: "open" } as const;
const DAY_MS = 86_400_000;
const NONE = { mode: "none" } as const;
const RULE = { domain: "a.example", ports: [443] };
const LIST: NetworkPolicy = { mode: "allowlist", allow: [RULE] };

async function world({ pool = 0, ...driverOptions }: RecordingDriverOptions & { readonly pool?: number } = {}) {
  const folder = await makeTempFolder();
  const storage = await createSqliteStorage({ path: join(folder.path, "microterm.db") });
  await storage.accounts.insert(accountRow(ANN.owner, "2026-11-28T10:00:00.000Z"));
  const network = createRecordingNetwork();
  const driver = createRecordingDriver({ networkLinks: ["slot"], ...driverOptions });
  const asleep = new Set<number>();
  const clock: Clock = {
    ...systemClock,
    sleep: (ms, signal) => {
      asleep.add(ms);
      return systemClock.sleep(ms, signal).finally(() => asleep.delete(ms));
    },
  };
  const parts = { storage, audit: auditLogOf(storage), network, clock, random: systemRandom, log: silentLog };
  const serve = async (): Promise<EnvironmentService> => {
    const drivers = createDriverRegistry({ default: driver });
    const service = createEnvironmentService({ ...parts, drivers, templates: pool > 0, pool, networkPolicy: OPEN });
    await service.recover();
    return service;
  };
  const services = [await serve()];
  onTestFinished(async () => {
    for (const service of services) await service.close();
    await storage.close();
    await folder.remove();
  });
  const machineOf = async (id: Environment["id"]): Promise<MachineId> =>
    (await storage.environments.get(id, SYSTEM))?.machineId as MachineId;
  return {
    service: services[0] as EnvironmentService,
    network,
    /** Of a day and longer. */
    longTimers: () => [...asleep].filter((ms) => ms > DAY_MS).length,
    /** What its machine was limited to since it was made. */
    limitedOf: async (id: Environment["id"]) => driver.machines.get(await machineOf(id))?.limited,
    policiesOf: async (id: Environment["id"]) => network.policies.get(await machineOf(id)),
    restart: async () => {
      await services.at(-1)?.close();
      services.push(await serve());
      return services.at(-1) as EnvironmentService;
    },
  };
}

async function running(service: EnvironmentService, request: CreateEnvironment): Promise<Environment> {
  const { id } = await service.create(ANN, request);
  return (await service.wait(ANN, id, { states: ["running"], timeoutMs: 60_000 })) as Environment;
}

it("a machine has its environment's policy before the environment runs, however it comes to life", async () => {
  const { service, network, policiesOf } = await world({ pool: 1 });
  await vi.waitFor(() => expect(service.pool().ready).toBe(1), { timeout: 60_000 });
  const claimed = await running(service, { network: LIST });
  expect(claimed.network).toEqual(LIST);
  expect(await policiesOf(claimed.id)).toEqual([LIST]);

  const booted = await running(service, { memoryMib: 300 });
  expect(booted.network).toEqual(OPEN);
  expect(await policiesOf(booted.id)).toEqual([OPEN]);

  await service.pause(ANN, booted.id);
  await service.wait(ANN, booted.id, { states: ["paused"], timeoutMs: 60_000 });
  await service.update(ANN, booted.id, { network: NONE });
  await service.resume(ANN, booted.id);
  await service.wait(ANN, booted.id, { states: ["running"], timeoutMs: 60_000 });
  expect(await policiesOf(booted.id)).toEqual([NONE]);
  // Templates, and machines that wait, have none of anybody's.
  const policed = [...network.policies.keys()];
  expect(policed).toHaveLength(3);
});

it("a policy changes while the environment runs, or not at all", async () => {
  const { service, network, policiesOf } = await world();
  const { id } = await running(service, { network: NONE });
  expect((await service.update(ANN, id, { network: LIST })).network).toEqual(LIST);
  expect(await policiesOf(id)).toEqual([NONE, LIST]);

  network.failure = new Error("the host does not answer");
  await expect(service.update(ANN, id, { network: OPEN, ttlSeconds: 3600 })).rejects.toThrow("does not answer");
  expect(await service.get(ANN, id)).toMatchObject({ network: LIST, expiresAt: null });

  const rule = { cidr: "203.0.113.7/32" };
  const allowed = { mode: "allowlist", allow: [{ domain: "a.example", ports: [443] }, rule] };
  expect((await service.allowNetwork(ANN, id, rule)).network).toEqual(allowed);
  expect((await policiesOf(id))?.at(-1)).toEqual(allowed);
  expect(await service.networkStatus(ANN, id)).toMatchObject({
    ...{ policy: allowed, traffic: { sent: { packets: 1 } }, connections: { tracked: 1 } },
  });
});

it("a rule that is removed takes none along that is added at the same time", async () => {
  const { service, policiesOf } = await world();
  const { id } = await running(service, { network: LIST });
  const [one, two] = [{ cidr: "203.0.113.1/32" }, { cidr: "203.0.113.2/32" }];
  await service.allowNetwork(ANN, id, one);
  await Promise.all([
    service.allowNetwork(ANN, id, two),
    service.disallowNetwork(ANN, id, RULE),
    service.disallowNetwork(ANN, id, RULE),
  ]);
  expect((await service.get(ANN, id)).network).toEqual({ mode: "allowlist", allow: [one, two] });
  expect((await policiesOf(id))?.at(-1)).toEqual({ mode: "allowlist", allow: [one, two] });
});

it("a change that failed and was done all the same is undone", async () => {
  const { service, network, policiesOf } = await world();
  const { id } = await running(service, { network: NONE });
  network.lateFailure = new Error("the host did not answer in time");
  await expect(service.update(ANN, id, { network: OPEN })).rejects.toThrow("in time");
  expect((await service.get(ANN, id)).network).toEqual(NONE);
  await vi.waitFor(async () => expect(await policiesOf(id)).toEqual([NONE, OPEN, NONE]), { timeout: 60_000 });
});

it("limits that are asked for with a policy that the host fails at stay, with all else that was asked", async () => {
  const { service, network, limitedOf } = await world({ supportsLimits: true });
  const made = await running(service, { network: NONE });
  await service.update(ANN, made.id, { cpuWeight: 7 });
  network.failure = new Error("the host does not answer");
  const whole = { cpuWeight: 9, cpuQuotaPercent: 50, network: OPEN, ttlSeconds: 3600 };
  // The second one waits for the first: what that undoes is not the second one's.
  const [first, second] = [service.update(ANN, made.id, whole), service.update(ANN, made.id, { diskMibPerSecond: 3 })];
  await expect(first).rejects.toThrow("does not answer");
  await second;
  const limits = { ...made.limits, cpuWeight: 7, diskMibPerSecond: 3 };
  expect(await service.get(ANN, made.id)).toMatchObject({ limits, network: NONE, expiresAt: null });
  const [before, failed] = [
    { weight: 7, quotaPercent: 150 },
    { weight: 9, quotaPercent: 50 },
  ].map((cpu) => ({ cpu }));
  const disk = { mibPerSecond: 3, operationsPerSecond: 4000 };
  await vi.waitFor(async () => expect((await limitedOf(made.id))?.length).toBe(4), { timeout: 20_000 });
  const [one, two, ...rest] = (await limitedOf(made.id)) ?? [];
  expect([one, two]).toEqual([before, failed]);
  expect(rest).toEqual(expect.arrayContaining([before, { disk }]));
});

it("a policy that changes while a pause is under way holds when its memory cannot be saved", async () => {
  const [begun, saving] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const beforePause = (): Promise<void> => {
    begun.resolve();
    return saving.promise;
  };
  const { service, policiesOf } = await world({ beforePause });
  const { id } = await running(service, { network: OPEN });
  await service.pause(ANN, id);
  await begun.promise;
  expect((await service.update(ANN, id, { network: NONE })).network).toEqual(NONE);
  expect(await policiesOf(id)).toEqual([OPEN]);
  saving.reject(new Error("there is no room"));
  await vi.waitFor(async () => expect((await policiesOf(id))?.at(-1)).toEqual(NONE), { timeout: 60_000 });
  expect(await service.get(ANN, id)).toMatchObject({ state: "running", operation: null, network: NONE });
});

it("a rule ends when its time is over, also where the server has been restarted since", async () => {
  const { service, policiesOf, restart } = await world();
  const { id } = await running(service, { network: LIST });
  const soon = (): string => new Date(systemClock.now() + 300).toISOString();
  await service.allowNetwork(ANN, id, { cidr: "203.0.113.7/32", expiresAt: soon() });
  await vi.waitFor(async () => expect((await policiesOf(id))?.at(-1)).toEqual(LIST), { timeout: 60_000 });

  await service.allowNetwork(ANN, id, { cidr: "203.0.113.8/32", expiresAt: soon() });
  await restart();
  await vi.waitFor(async () => expect((await policiesOf(id))?.at(-1)).toEqual(LIST), { timeout: 60_000 });
});

it.each(["pause", "stop", "destroy"] as const)("the end of a rule's time is waited for until a %s", async (end) => {
  const { service, longTimers } = await world();
  const { id } = await running(service, { network: LIST });
  const expiresAt = new Date(systemClock.now() + 2 * DAY_MS).toISOString();
  await service.allowNetwork(ANN, id, { cidr: "203.0.113.7/32", expiresAt });
  expect(longTimers()).toBe(1);
  await service[end](ANN, id);
  await vi.waitFor(() => expect(longTimers()).toBe(0), { timeout: 60_000 });
});

it("a network that has policies no more leaves the machine that it is taken over with as it was", async () => {
  const { service, network, policiesOf, restart } = await world();
  const { id } = await running(service, { network: LIST });
  network.failure = new Error("the host does not answer");
  const later = await restart();
  expect((await later.get(ANN, id)).state).toBe("running");
  await vi.waitFor(async () => expect(await policiesOf(id)).toEqual([LIST, LIST]), { timeout: 60_000 });
  // What was refused is told as it is.
  network.refused.push({ name: "b.example", address: null, protocol: "tcp", port: 443, count: 3, by: "policy" });
  expect(await later.networkDenials(ANN, id)).toEqual(network.refused);
});

it("without networks environments have no interface, and say so when a policy is asked for", async () => {
  const folder = await makeTempFolder();
  const storage = await createSqliteStorage({ path: join(folder.path, "microterm.db") });
  await storage.accounts.insert(accountRow(ANN.owner, "2026-11-28T10:00:00.000Z"));
  const service = createEnvironmentService({
    ...{
      storage,
      audit: auditLogOf(storage),
      network: createLoopbackNetwork(),
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
    },
    ...{
      drivers: createDriverRegistry({ default: createRecordingDriver({ supportsLimits: true }) }),
      networkPolicy: OPEN,
    },
  });
  onTestFinished(async () => {
    await service.close();
    await storage.close();
    await folder.remove();
  });
  await service.recover();
  const { id, network, limits } = await running(service, {});
  expect(network).toBeNull();
  await expect(service.create(ANN, { network: OPEN })).rejects.toMatchObject({ code: "UNSUPPORTED" });
  const both = { network: LIST, cpuQuotaPercent: 50 };
  await expect(service.update(ANN, id, both)).rejects.toMatchObject({ code: "UNSUPPORTED" });
  expect((await service.get(ANN, id)).limits).toEqual(limits);
  await expect(service.allowNetwork(ANN, id, { domain: "a.example" })).rejects.toMatchObject({ code: "UNSUPPORTED" });
  expect(await service.list(ANN)).toHaveLength(1);
  expect(await service.networkStatus(ANN, id)).toEqual({ policy: null, traffic: null, connections: null });
});
