import { actorOf } from "@microterm/core";
import { accountRow, createRecordingDriver, environmentRow } from "@microterm/core/testing";
import { EnvironmentId, OwnerId } from "@microterm/protocol";
import { expect, it, onTestFinished, vi } from "vitest";
import { makeTempFolder } from "../../support/temp-folder.ts";
import { ANN, BOB, openServer } from "./core-server.ts";

const PATIENCE = { timeoutMs: 60_000 } as const;
const HOUR_MS = 3_600_000;
const HOST = actorOf(
  { id: OwnerId.parse("hosthosthost"), role: "admin" },
  { origin: { via: "data-folder", credential: null, address: null } },
);

/** Ann's environment, which a backup has paused, and what disables her account with so much of a grace time left. */
async function paused() {
  const folder = await makeTempFolder();
  onTestFinished(() => folder.remove());
  const driver = createRecordingDriver();
  const server = await openServer({ folder: folder.path, agentBinary: "" }, { registry: () => ({ default: driver }) });
  onTestFinished(() => server.close());
  const { service, storage } = server;
  await service.recover();
  await storage.accounts.insert(accountRow(HOST.owner, "2026-11-22T10:00:00.000Z", "admin"));
  const { id } = await service.create(ANN, { memoryMib: 300 });
  await service.wait(ANN, id, { states: ["running"], ...PATIENCE });
  await service.pause(HOST, id);
  await service.wait(HOST, id, { states: ["paused"], ...PATIENCE });
  const disable = (stopsAt: number | null) =>
    storage.accounts.change(ANN.owner, {
      disabledAt: new Date().toISOString(),
      stopsAt: stopsAt === null ? null : new Date(stopsAt).toISOString(),
    });
  return { id, service, storage, disable };
}

it("what a backup has paused goes on within the grace time of its owner's account", async () => {
  const { id, service, disable } = await paused();
  await disable(Date.now() + HOUR_MS);
  await service.resume(HOST, id);
  expect(await service.wait(HOST, id, { states: ["running"], ...PATIENCE })).toMatchObject({ state: "running" });
});

it.each([
  ["has been stopped", null],
  ["is about to be stopped", Date.now() - 1000],
])("and not once what the account runs %s", async (_, stopsAt) => {
  const { id, service, disable } = await paused();
  await disable(stopsAt);
  expect(await service.stopAllOf(ANN.owner)).toBe(true);
  await expect(service.resume(HOST, id)).rejects.toMatchObject({
    code: "ENVIRONMENT_STATE",
    message: expect.stringContaining("the account of its owner is disabled"),
  });
  expect((await service.get(HOST, id)).state).toBe("paused");
});

it("all that an account runs is stopped, but for what this server cannot reach", async () => {
  const { id, service, storage } = await paused();
  await service.resume(HOST, id);
  await service.wait(HOST, id, { states: ["running"], ...PATIENCE });
  const away = EnvironmentId.parse("0away0000000");
  await storage.environments.insert(
    environmentRow({ ...{ id: away, name: "away", owner: ANN.owner }, driver: "firecracker", state: "running" }),
  );
  await expect(service.stopAllOf(ANN.owner)).rejects.toMatchObject({ code: "UNSUPPORTED" });
  expect(await service.wait(HOST, id, { states: ["stopped"], ...PATIENCE })).toMatchObject({ state: "stopped" });
});

it("nothing is given to an account that is disabled, or removed, meanwhile", async () => {
  const { id, service, storage } = await paused();
  const find = storage.accounts.find.bind(storage.accounts);
  const meanwhile = async (run: () => Promise<unknown>) => {
    vi.spyOn(storage.accounts, "find").mockImplementationOnce(async (reference) => {
      const found = await find(reference);
      await run();
      return found;
    });
    const { error } = await service.transfer(HOST, id, { account: BOB.owner, force: true }).then(
      () => ({ error: null }),
      (error: unknown) => ({ error }),
    );
    return error;
  };
  const disabledAt = new Date().toISOString();
  expect(await meanwhile(() => storage.accounts.change(BOB.owner, { disabledAt }))).toMatchObject({
    code: "BAD_REQUEST",
  });
  await storage.accounts.change(BOB.owner, { disabledAt: null });
  expect(await meanwhile(() => storage.accounts.remove(BOB.owner))).toMatchObject({ code: "ACCOUNT_NOT_FOUND" });
  expect((await service.get(HOST, id)).owner).toBe(ANN.owner);
});
