import {
  createDriverRegistry,
  createEnvironmentService,
  type EnvironmentService,
  type Storage,
  SYSTEM,
} from "@microterm/core";
import {
  accountRow,
  auditLogOf,
  createRecordingDriver,
  type RecordedMachine,
  silentLog,
  systemClock,
  systemRandom,
} from "@microterm/core/testing";
import { createLoopbackNetwork } from "@microterm/networks";
import type { Environment } from "@microterm/protocol";
import { expect, it, onTestFinished, vi } from "vitest";
import { makeTempFolder } from "../../support/temp-folder.ts";
import { openTestStorage } from "../../support/test-database.ts";
import { ANN } from "./core-server.ts";
import { makeWorld } from "./core-world.ts";

const PATIENT = { timeoutMs: 60_000 } as const;
const MEDIUM = { cpuQuotaPercent: 150, cpuWeight: 100, diskMibPerSecond: 128, diskOperationsPerSecond: 4000 };

type Driver = ReturnType<typeof createRecordingDriver>;

/** A server on a driver that outlives it, as machines do. */
async function serve(driver: Driver, folder: string) {
  const storage = await openTestStorage(folder);
  await storage.accounts.insert(accountRow(ANN.owner, "2026-11-28T10:00:00.000Z")).catch(() => {});
  const service = createEnvironmentService({
    ...{
      storage,
      audit: auditLogOf(storage),
      network: createLoopbackNetwork(),
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
    },
    drivers: createDriverRegistry({ default: driver }),
  });
  await service.recover();
  let isOpen = true;
  const close = async () => {
    if (isOpen) await service.close().then(() => storage.close());
    isOpen = false;
  };
  onTestFinished(close);
  return { service, storage, close };
}

async function makeFolder(): Promise<string> {
  const folder = await makeTempFolder();
  onTestFinished(folder.remove);
  return folder.path;
}

const until = async (service: EnvironmentService, { id }: Environment, state: "running" | "stopped" | "paused") =>
  (await service.wait(ANN, id, { states: [state], ...PATIENT })) as Environment;

async function machineOf(driver: Driver, storage: Storage, { id }: Environment): Promise<RecordedMachine> {
  const row = await storage.environments.get(id, SYSTEM);
  const machine = row?.machineId == null ? undefined : driver.machines.get(row.machineId);
  if (machine === undefined) throw new Error("it has no machine");
  return machine;
}

it("are its size's at first, change with its machine, and hold for all its later machines", async () => {
  const driver = createRecordingDriver({ supportsLimits: true });
  const folder = await makeFolder();
  const { service, storage, close } = await serve(driver, folder);
  const made = await until(service, await service.create(ANN, { name: "one" }), "running");
  expect(made.limits).toEqual(MEDIUM);
  const machine = await machineOf(driver, storage, made);
  const disk = { mibPerSecond: 128, operationsPerSecond: 4000 };
  expect(machine.spec.limits).toEqual({ cpu: { weight: 100, quotaPercent: 150 }, disk });

  // Only what is changed reaches the machine: its host may be able to limit no more than that.
  const slower = await service.update(ANN, "one", { diskMibPerSecond: 16, ttlSeconds: 3600 });
  expect(slower).toMatchObject({ limits: { ...MEDIUM, diskMibPerSecond: 16 }, expiresAt: expect.any(String) });
  await service.update(ANN, "one", { cpuQuotaPercent: 50 });
  expect(machine.limited).toEqual([
    { disk: { ...disk, mibPerSecond: 16 } },
    { cpu: { weight: 100, quotaPercent: 50 } },
  ]);
  const { limits } = await service.metrics(ANN, "one");
  const machineLimits = { ...MEDIUM, diskMibPerSecond: 16, cpuQuotaPercent: 50 };
  expect(limits).toEqual({ memoryMib: 512, cpus: 1, diskMib: 2048, machine: machineLimits });

  await service.pause(ANN, "one");
  await until(service, made, "paused");
  expect((await service.update(ANN, "one", { cpuWeight: 7 })).limits).toMatchObject({ cpuWeight: 7 });
  await service.resume(ANN, "one");
  await until(service, made, "running");
  const resumed = await machineOf(driver, storage, made);
  const now = { cpu: { weight: 7, quotaPercent: 50 }, disk: { ...disk, mibPerSecond: 16 } };
  expect([resumed.start, resumed.spec.limits, resumed.limited]).toEqual(["resume", now, []]);

  // A server that died in between, or one of a version that limited less, has left a machine with others.
  await close();
  const next = await serve(driver, folder);
  await until(next.service, made, "running");
  const adopted = await machineOf(driver, next.storage, made);
  await vi.waitFor(() => expect(adopted.limited).toEqual([{ cpu: now.cpu }, { disk: now.disk }]), {
    timeout: 60_000,
  });
  await next.service.destroy(ANN, "one");
});

it("are stored only where the host can do it, and the last of several changes holds", async () => {
  const driver = createRecordingDriver({
    supportsLimits: true,
    refuseLimit: ({ cpu }) => (cpu === undefined ? undefined : "this host limits no processor time"),
  });
  const { service, storage } = await serve(driver, await makeFolder());
  const made = await until(service, await service.create(ANN, { name: "one" }), "running");
  await expect(service.update(ANN, "one", { cpuWeight: 7, ttlSeconds: 60 })).rejects.toMatchObject({
    code: "UNSUPPORTED",
    message: "this host limits no processor time",
  });
  expect(await service.get(ANN, "one")).toMatchObject({ limits: MEDIUM, expiresAt: null });
  await Promise.all([3, 5, 8].map((mib) => service.update(ANN, "one", { diskMibPerSecond: mib })));
  const { limits } = await service.get(ANN, "one");
  const last = (await machineOf(driver, storage, made)).limited.at(-1);
  expect(last?.disk?.mibPerSecond).toBe(limits?.diskMibPerSecond);
  await service.destroy(ANN, "one");
  await expect(service.update(ANN, "one", { diskMibPerSecond: 3 })).rejects.toMatchObject({
    code: "ENVIRONMENT_NOT_FOUND",
  });
});

it("are none where the driver limits nothing, and asking for one says so", async () => {
  const { service } = await (await makeWorld()).start();
  const made = await until(service, await service.create(ANN, { name: "one" }), "running");
  expect(made.limits).toBeNull();
  await expect(service.update(ANN, "one", { diskMibPerSecond: 3 })).rejects.toMatchObject({
    code: "UNSUPPORTED",
    message: "'one' runs on the driver 'process', which limits nothing: it has no diskMibPerSecond",
  });
});
