import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type DriverRegistryOptions, SYSTEM, type VmDriver } from "@microterm/core";
import { runInGuest, silentLog } from "@microterm/core/testing";
import { createProcessDriver } from "@microterm/drivers";
import type { Environment } from "@microterm/protocol";
import { expect, it } from "vitest";
import { ANN, type Server } from "./core-server.ts";
import { makeWorld, type World } from "./core-world.ts";

const PATIENT = { timeoutMs: 90_000 } as const;
const SMALL = { memoryMib: 128 } as const;

/** The process driver once more, under another name and over a folder of its own. */
async function secondDriver({ folder, agentBinary }: World): Promise<VmDriver> {
  const directory = join(folder, "second");
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return { ...createProcessDriver({ agentBinary, directory, log: silentLog }), name: "second" };
}

async function running(server: Server, name: string): Promise<Environment> {
  const { id } = await server.service.create(ANN, { ...SMALL, name });
  return (await server.service.wait(ANN, id, { states: ["running"], ...PATIENT })) as Environment;
}

const words = async (server: Server, name: string): Promise<string> =>
  (await runInGuest(await server.service.agent(ANN, name), ["echo", name])).stdout;

it("each environment stays on the driver that it was made with, in one server", async () => {
  const world = await makeWorld();
  const second = await secondDriver(world);
  const first = await world.start({ registry: (own) => ({ default: own, others: [second] }) });
  const old = await running(first, "old");
  expect(old.driver).toBe("process");
  await first.close();

  const both = (own: VmDriver): DriverRegistryOptions => ({ default: second, others: [own] });
  const next = await world.start({ registry: both });
  const young = await running(next, "young");
  expect(young.driver).toBe("second");
  expect(await next.driver.list()).toMatchObject([{ environmentId: old.id, alive: true }]);
  expect(await second.list()).toMatchObject([{ environmentId: young.id, alive: true }]);
  expect(await words(next, "old")).toBe("old\n");
  expect(await words(next, "young")).toBe("young\n");

  await next.service.stop(ANN, "old");
  await next.service.wait(ANN, "old", { states: ["stopped"], ...PATIENT });
  expect(await next.driver.list()).toEqual([]);
  await next.service.start(ANN, "old");
  await next.service.wait(ANN, "old", { states: ["running"], ...PATIENT });
  expect(await next.driver.list()).toMatchObject([{ environmentId: old.id }]);
  await next.close();

  const last = await world.start({ registry: both });
  expect(await words(last, "old")).toBe("old\n");
  expect(await words(last, "young")).toBe("young\n");
  for (const name of ["old", "young"]) expect((await last.service.destroy(ANN, name)).left).toEqual([]);
  expect([...(await last.driver.list()), ...(await second.list())]).toEqual([]);
});

it("what runs on a driver that is not there is listed, refused with what to do, left alone, and goes on later", async () => {
  const world = await makeWorld();
  const second = await secondDriver(world);
  const first = await world.start();
  const { id, terminals } = await running(first, "kept");
  const [found] = await first.driver.list();
  await first.service.update(ANN, "kept", { idleTimeoutSeconds: 60, ttlSeconds: 60 });
  await first.close();

  const absent = new Map([["process", "its agent does not exist"]]);
  const without = await world.start({ registry: () => ({ default: second, absent }) });
  const [listed] = await without.service.list(ANN);
  expect(listed).toMatchObject({ id, name: "kept", state: "running", driver: "process", isolation: "none" });
  expect(listed?.reason).toMatch(/driver 'process' \(its agent does not exist\); .*up --driver process/);
  const refused = {
    code: "UNSUPPORTED",
    message: expect.stringMatching(/'kept' .*driver 'process'.*up --driver process/),
  };
  const { service } = without;
  await expect(service.stop(ANN, id)).rejects.toMatchObject(refused);
  await expect(service.pause(ANN, id)).rejects.toMatchObject(refused);
  await expect(service.agent(ANN, id)).rejects.toMatchObject(refused);
  await expect(service.terminals(ANN, id)).rejects.toMatchObject(refused);
  await expect(service.destroy(ANN, id)).rejects.toMatchObject(refused);
  await expect(service.destroy(ANN, id)).rejects.toMatchObject(refused);
  expect((await service.update(ANN, id, { idleTimeoutSeconds: 0, ttlSeconds: 0 })).expiresAt).toBeNull();
  expect(await without.storage.environments.get(id, SYSTEM)).toMatchObject({
    state: "running",
    machineId: found?.machineId,
  });
  expect(await first.driver.list()).toEqual([found]);
  await without.close();

  const again = await world.start();
  expect(await words(again, "kept")).toBe("kept\n");
  expect(await again.service.terminals(ANN, "kept")).toMatchObject([{ id: terminals[0]?.id }]);
});

it("one that is stopped, paused or half destroyed on a driver that is not there stays so", async () => {
  const world = await makeWorld();
  const second = await secondDriver(world);
  const first = await world.start();
  const { id } = await running(first, "resting");
  await first.service.stop(ANN, id);
  await first.service.wait(ANN, id, { states: ["stopped"], ...PATIENT });
  await first.close();

  for (const state of ["stopped", "paused", "destroying"] as const) {
    const without = await world.start({ registry: () => ({ default: second }) });
    await without.storage.environments.transition(id, ["stopped", "paused"], state, { snapshotId: "s".repeat(16) });
    await without.close();
    const server = await world.start({ registry: () => ({ default: second }) });
    const refused = { code: "UNSUPPORTED", message: expect.stringContaining("'process'") };
    expect(await server.service.get(ANN, id)).toMatchObject({ state });
    if (state !== "destroying") await expect(server.service.start(ANN, id)).rejects.toMatchObject(refused);
    if (state === "paused") {
      await expect(server.service.resume(ANN, id)).rejects.toMatchObject(refused);
      await expect(server.service.stop(ANN, id)).rejects.toMatchObject(refused);
    }
    await expect(server.service.destroy(ANN, id)).rejects.toMatchObject(refused);
    expect(await server.storage.environments.get(id, SYSTEM)).toMatchObject({ state, snapshotId: "s".repeat(16) });
    await server.close();
  }
});

it("a driver whose host does not answer keeps no other from being used", async () => {
  const world = await makeWorld();
  const second = await secondDriver(world);
  const away = () => Promise.reject(new Error("the host is away"));
  const server = await world.start({ registry: (own) => ({ default: own, others: [{ ...second, list: away }] }) });
  expect((await running(server, "one")).state).toBe("running");
  expect(server.log.lines.filter((line) => line.includes("the host is away"))).toHaveLength(1);
});
