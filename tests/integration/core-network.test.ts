import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import {
  createDriverRegistry,
  createEnvironmentService,
  type EnvironmentService,
  SYSTEM,
  type VmDriver,
} from "@microterm/core";
import {
  accountRow,
  auditLogOf,
  createRecordingDriver,
  createRecordingNetwork,
  type RecordedMachine,
  silentLog,
  systemClock,
  systemRandom,
} from "@microterm/core/testing";
import { createProcessDriver } from "@microterm/drivers";
import type { CreateEnvironment, Environment } from "@microterm/protocol";
import { expect, it, onTestFinished, vi } from "vitest";
import { rustBinary } from "../../support/rust-binaries.ts";
import { makeTempFolder } from "../../support/temp-folder.ts";
import { openTestStorage } from "../../support/test-database.ts";
import { ANN } from "./core-server.ts";

const PATIENT = { timeoutMs: 60_000 } as const;

async function serve(driver: VmDriver, pool: number) {
  const folder = await makeTempFolder();
  const storage = await openTestStorage(folder.path);
  await storage.accounts.insert(accountRow(ANN.owner, "2026-11-28T10:00:00.000Z"));
  const network = createRecordingNetwork();
  const service = createEnvironmentService({
    ...{ storage, audit: auditLogOf(storage), network, clock: systemClock, random: systemRandom, log: silentLog },
    ...{ drivers: createDriverRegistry({ default: driver }), templates: pool > 0, pool },
  });
  await service.recover();
  onTestFinished(async () => {
    await service.close();
    await storage.close();
    await folder.remove();
  });
  return { service, network, storage };
}

async function running(service: EnvironmentService, request: CreateEnvironment): Promise<Environment> {
  const { id } = await service.create(ANN, request);
  return (await service.wait(ANN, id, { states: ["running"], ...PATIENT })) as Environment;
}

it("what a machine gets of the network reaches its driver and its guest, however it comes to life", async () => {
  const driver = createRecordingDriver({ networkLinks: ["slot"] });
  const { service, network, storage } = await serve(driver, 1);
  await vi.waitFor(() => expect(service.pool().ready).toBe(1), { timeout: 60_000 });
  await vi.waitFor(() => expect(service.templates().every(({ state }) => state === "ready")).toBe(true), {
    timeout: 60_000,
  });
  const machineOf = async (id: Environment["id"]): Promise<RecordedMachine> => {
    const row = await storage.environments.get(id, SYSTEM);
    const machine = row?.machineId == null ? undefined : driver.machines.get(row.machineId);
    if (machine === undefined) throw new Error("it has no machine");
    return machine;
  };
  const givenTo = ({ spec }: RecordedMachine) => {
    const given = network.given.get(spec.machineId);
    if (given?.interface == null) throw new Error("it was given nothing");
    return given;
  };

  // A template's guest has the device and no address.
  const sources = [...driver.machines.values()].filter(({ spec }) => spec.isTemplateSource === true);
  expect(sources.length).toBeGreaterThan(1);
  for (const source of sources) {
    expect(source.spec.network).toEqual(givenTo(source).link);
    expect(source.told).toMatchObject([{ call: "identify", interface: null }]);
  }

  const claimed = await machineOf((await running(service, {})).id);
  expect(claimed).toMatchObject({ start: "restore", spec: { environmentId: null, network: givenTo(claimed).link } });
  const own = givenTo(claimed).interface;
  expect(claimed.told).toMatchObject([
    { call: "identify", interface: own },
    { call: "claim", interface: own },
  ]);

  const restored = await machineOf((await running(service, { size: "small" })).id);
  expect(restored).toMatchObject({ start: "restore", spec: { network: givenTo(restored).link } });
  expect(restored.told).toMatchObject([{ call: "identify", interface: givenTo(restored).interface }]);

  const { id } = await running(service, { memoryMib: 300 });
  const booted = await machineOf(id);
  expect(booted).toMatchObject({ start: "boot", spec: { network: givenTo(booted).link } });
  expect(booted.told).toMatchObject([{ call: "identify", interface: givenTo(booted).interface }]);

  await service.pause(ANN, id);
  await service.wait(ANN, id, { states: ["paused"], ...PATIENT });
  await vi.waitFor(async () => expect(await network.list()).not.toContain(booted.spec.machineId), { timeout: 60_000 });
  await service.resume(ANN, id);
  await service.wait(ANN, id, { states: ["running"], ...PATIENT });
  const resumed = await machineOf(id);
  expect(resumed).toMatchObject({ start: "resume", spec: { network: givenTo(resumed).link } });
  expect(resumed.told).toMatchObject([{ call: "wake", interface: givenTo(resumed).interface }]);

  const all = [claimed, restored, booted, resumed].map((machine) => givenTo(machine).interface?.address);
  expect(new Set(all).size).toBe(all.length);
  for (const { id: one } of await service.list(ANN)) {
    const { removed, left } = await service.destroy(ANN, one);
    expect({ ...removed, left }).toMatchObject({ namespaces: 1, links: 2, flows: 0, left: [] });
  }
  for (const machine of [claimed, restored, booted, resumed]) {
    expect(await network.list()).not.toContain(machine.spec.machineId);
  }
});

it("a network that stays is tried again, and then named as what is left", async () => {
  const { service, network, storage } = await serve(createRecordingDriver({ networkLinks: ["slot"] }), 0);
  const { id } = await running(service, {});
  const machineId = (await storage.environments.get(id, SYSTEM))?.machineId;
  const detach = vi.fn(async () => ({ namespaces: 0, links: 1, flows: 0 }));
  network.detach = detach;
  const { removed, left } = await service.destroy(ANN, id);
  expect(left).toEqual([`network ${machineId}`]);
  expect(removed.links).toBe(detach.mock.calls.length);
  expect(detach.mock.calls.length).toBeGreaterThan(1);
});

it("a machine never runs with less than its network gives it", async () => {
  const folder = await makeTempFolder();
  onTestFinished(() => folder.remove());
  const directory = join(folder.path, "machines");
  await mkdir(directory);
  const real = createProcessDriver({ agentBinary: await rustBinary("microterm-agent"), directory, log: silentLog });

  const unplugged = await serve(real, 0);
  const one = await unplugged.service.create(ANN, { memoryMib: 128 });
  const refused = await unplugged.service.wait(ANN, one.id, { states: ["failed"], ...PATIENT });
  expect(refused?.reason).toMatch(/'process' cannot be connected to the network 'recording'/);
  expect(await unplugged.network.list()).toEqual([]);

  // A real agent, whose protocol has no interfaces: it is not left without one in silence.
  const plugged = await serve({ ...real, capabilities: { ...real.capabilities, networkLinks: ["slot"] } }, 0);
  const other = await plugged.service.create(ANN, { memoryMib: 128 });
  const untold = await plugged.service.wait(ANN, other.id, { states: ["failed"], ...PATIENT });
  expect(untold?.reason).toMatch(/a network that is not its own to set up/);
  expect([...(await plugged.network.list()), ...(await real.list())]).toEqual([]);
});
