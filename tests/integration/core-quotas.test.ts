import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { actorOf, createDriverRegistry, createEnvironmentService, type Storage } from "@microterm/core";
import {
  accountRow,
  auditLogOf,
  createRecordingDriver,
  silentLog,
  systemClock,
  systemRandom,
} from "@microterm/core/testing";
import { createLoopbackNetwork } from "@microterm/networks";
import { OwnerId, type QuotaLimits } from "@microterm/protocol";
import { expect, it, onTestFinished } from "vitest";
import { makeTempFolder } from "../../support/temp-folder.ts";
import { openTestStorage } from "../../support/test-database.ts";
import { ANN, BOB } from "./core-server.ts";
import { makeWorld } from "./core-world.ts";

const PATIENT = { timeoutMs: 90_000 } as const;
const NONE: QuotaLimits = {
  ...{ environments: null, running: null, memoryMib: null, cpus: null },
  ...{ diskMib: null, recordingsMib: null, hoursPerDay: null },
};
const ADMIN = actorOf({ id: OwnerId.parse("adminadmin"), role: "admin" });

/** A server on machines that can be paused. */
async function serve() {
  const folder = await makeTempFolder();
  onTestFinished(folder.remove);
  const storage = await openTestStorage(folder.path);
  for (const { owner, role } of [ADMIN, ANN, BOB]) {
    await storage.accounts.insert(accountRow(owner, "2026-11-28T10:00:00.000Z", role));
  }
  const service = createEnvironmentService({
    audit: auditLogOf(storage),
    ...{ storage, network: createLoopbackNetwork(), clock: systemClock, random: systemRandom, log: silentLog },
    drivers: createDriverRegistry({ default: createRecordingDriver() }),
  });
  await service.recover();
  onTestFinished(async () => {
    await service.close();
    await storage.close();
  });
  return { service, storage };
}

type Served = Awaited<ReturnType<typeof serve>>;

async function running({ service }: Served, name: string, actor = ANN): Promise<string> {
  const { id } = await service.create(actor, { name });
  await service.wait(actor, id, { states: ["running"], ...PATIENT });
  return id;
}

it("a quota is not passed by 50 creates at once, nor by as many starts, and the refusals have the figures", async () => {
  const { service, storage } = await serve();
  await storage.quotas.setAccount(ANN.owner, { ...NONE, memoryMib: 1600 });
  const all = await Promise.allSettled(Array.from({ length: 50 }, () => service.create(ANN, { size: "medium" })));
  const made = all.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  expect(made).toHaveLength(3);
  const quota = { name: "memoryMib", limit: 1600, used: 1536, asked: 512 };
  for (const one of all) {
    if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "QUOTA_EXCEEDED", details: { quota } });
  }
  expect(await service.list(ANN)).toHaveLength(3);
  const told = await storage.audit.find({ action: "environment.created", before: null, limit: 100 });
  expect(told.filter(({ outcome }) => outcome === "done")).toHaveLength(3);
  // The first one of the minute; the others are counted when it is over.
  expect(told.filter(({ code }) => code === "QUOTA_EXCEEDED")).toHaveLength(1);
  expect((await service.create(BOB, {})).owner).toBe(BOB.owner);

  for (const { id } of made) {
    await service.wait(ANN, id, { states: ["running"], ...PATIENT });
    await service.pause(ANN, id);
    await service.wait(ANN, id, { states: ["paused"], ...PATIENT });
  }
  await storage.quotas.setAccount(ANN.owner, { ...NONE, running: 1 });
  const resumed = await Promise.allSettled(made.map(({ id }) => service.resume(ANN, id)));
  expect(resumed.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected", "rejected"]);
});

it("what its owner's hours are used up for is paused, and not resumed before the next day", async () => {
  const served = await serve();
  const { service, storage } = served;
  const id = await running(served, "one");
  await storage.quotas.setAccount(ANN.owner, { ...NONE, hoursPerDay: 0 });
  // Every change has them looked at.
  await service.update(ANN, id, {});
  const paused = await service.wait(ANN, id, { states: ["paused"], ...PATIENT });
  expect(paused?.reason).toBe("its owner has no hours of running left today");
  await expect(service.resume(ANN, id)).rejects.toMatchObject({
    code: "QUOTA_EXCEEDED",
    details: { quota: { name: "hoursPerDay", limit: 0, asked: 0 } },
  });
  await storage.quotas.setAccount(ANN.owner, null);
  await service.resume(ANN, id);
  await service.wait(ANN, id, { states: ["running"], ...PATIENT });
});

const runningSince = async (storage: Storage, id: string): Promise<string | null> =>
  (await storage.environments.find(id, ANN))?.runningSince ?? null;

it("running time is counted across a server that is killed with -9", async () => {
  const world = await makeWorld();
  const victim = spawn(
    process.execPath,
    [join(import.meta.dirname, "core-victim.ts"), world.folder, world.agentBinary, "create.running", "create"],
    { stdio: "ignore" },
  );
  await once(victim, "exit");
  const { service, storage } = await world.start();
  await service.wait(ANN, "victim", { states: ["running"], ...PATIENT });
  const since = await runningSince(storage, "victim");
  expect(since).not.toBeNull();
  const hoursAt = async (time: number) =>
    (await storage.quotas.use(ANN.owner, new Date(time).toISOString())).hoursPerDay;
  // Of one day, whichever hour it is: what ran before midnight is not of the next.
  const noon = Date.parse("2030-01-01T12:00:00.000Z");
  expect(await hoursAt(noon)).toBe(12);
  await service.stop(ANN, "victim");
  await service.wait(ANN, "victim", { states: ["stopped"], ...PATIENT });
  expect(await runningSince(storage, "victim")).toBeNull();
  expect(await hoursAt(noon)).toBe(0);
  expect(await hoursAt(Date.parse(since ?? ""))).toBeGreaterThan(0);
});

it("an environment is handed to another account with what runs in it, and its owner of before has nothing of it", async () => {
  const served = await serve();
  const { service } = served;
  const id = await running(served, "one");
  const told: string[] = [];
  service.subscribe(({ kind, id: changed, owner }) => void (changed === id && told.push(`${kind} ${owner}`)));
  for (const actor of [ANN, BOB]) {
    await expect(service.transfer(actor, id, { account: BOB.owner })).rejects.toMatchObject({
      code: expect.stringMatching(/^(FORBIDDEN|ENVIRONMENT_NOT_FOUND)$/),
    });
  }
  await expect(service.transfer(ADMIN, id, { account: "nobody" })).rejects.toMatchObject({ code: "ACCOUNT_NOT_FOUND" });
  await running(served, "one", BOB);
  await expect(service.transfer(ADMIN, id, { account: BOB.owner })).rejects.toMatchObject({ code: "NAME_TAKEN" });
  await served.storage.quotas.setAccount(BOB.owner, { ...NONE, running: 1 });
  const given = { account: BOB.owner, name: "given" };
  await expect(service.transfer(ADMIN, id, given)).rejects.toMatchObject({ code: "QUOTA_EXCEEDED" });
  const moved = await service.transfer(ADMIN, id, { ...given, force: true });
  expect(moved).toMatchObject({ owner: BOB.owner, name: "given", state: "running", terminals: [] });
  await expect(service.get(ANN, id)).rejects.toMatchObject({ code: "ENVIRONMENT_NOT_FOUND" });
  expect(await service.get(BOB, "given")).toMatchObject({ id, terminals: [{ exit: null }] });
  const [entry] = await served.storage.audit.find({
    action: "environment.transferred",
    outcome: "done",
    before: null,
    limit: 2,
  });
  expect(entry).toMatchObject({ detail: { from: ANN.owner, to: BOB.owner }, environment: { id } });
  // What the server does later of itself is reported to the new owner.
  await service.pause(BOB, id);
  await service.wait(BOB, id, { states: ["paused"], ...PATIENT });
  expect(told[0]).toBe(`transferred ${ANN.owner}`);
  expect(new Set(told.slice(1))).toEqual(new Set([`changed ${BOB.owner}`]));
});

it("an admin lists all environments, stops and removes them by their whole id, and sees nothing of what is in them", async () => {
  const served = await serve();
  const { service } = served;
  const id = await running(served, "one");
  const [listed] = await service.listAll(ADMIN);
  expect(listed).toMatchObject({ id, ownerName: ANN.owner, state: "running", use: { diskMib: expect.anything() } });
  expect(listed).not.toHaveProperty("terminals");
  expect(await service.get(ADMIN, id)).toMatchObject({ id, terminals: [] });
  expect((await service.hostUse(ADMIN)).environments).toBe(1);
  // Who has the data folder has it paused for a backup, which an admin who has signed in has not.
  const host = actorOf(
    { id: ADMIN.owner, role: "admin" },
    { origin: { via: "data-folder", credential: null, address: null } },
  );
  await expect(service.pause(ADMIN, id)).rejects.toMatchObject({ code: "ENVIRONMENT_NOT_FOUND" });
  await service.pause(host, id);
  expect(await service.wait(ANN, id, { states: ["paused"], ...PATIENT })).toMatchObject({
    reason: "a backup copies its disk",
  });
  await expect(service.resume(ADMIN, id)).rejects.toMatchObject({ code: "ENVIRONMENT_NOT_FOUND" });
  expect(await service.resume(host, id)).toMatchObject({ id, terminals: [] });
  await service.wait(ANN, id, { states: ["running"], ...PATIENT });
  const hidden = { code: "ENVIRONMENT_NOT_FOUND" };
  for (const reference of ["one", id.slice(0, 6)]) {
    await expect(service.get(ADMIN, reference)).rejects.toMatchObject(hidden);
  }
  for (const refused of [
    () => service.terminals(ADMIN, id),
    () => service.console(ADMIN, id),
    () => service.metrics(ADMIN, id),
    () => service.agent(ADMIN, id),
    () => service.pause(ADMIN, id),
    () => service.update(ADMIN, id, { ttlSeconds: 1 }),
    () => service.stop(BOB, id),
  ]) {
    await expect(refused()).rejects.toMatchObject(hidden);
  }
  await expect(service.listAll(ANN)).rejects.toMatchObject({ code: "FORBIDDEN" });
  await expect(service.hostUse(ANN)).rejects.toMatchObject({ code: "FORBIDDEN" });
  await service.stop(ADMIN, id);
  expect(await service.wait(ADMIN, id, { states: ["stopped"], ...PATIENT })).toMatchObject({ state: "stopped" });
  expect(await service.destroy(ADMIN, id)).toMatchObject({ environment: id, left: [] });
  expect(await service.wait(ADMIN, id, { states: ["gone"], ...PATIENT })).toBeNull();
});
