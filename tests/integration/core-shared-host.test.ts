import { join } from "node:path";
import {
  createDriverRegistry,
  createEnvironmentService,
  type EnvironmentRow,
  SYSTEM,
  type VmDriver,
} from "@microterm/core";
import {
  accountRow,
  auditLogOf,
  createRecordingDriver,
  silentLog,
  systemClock,
  systemRandom,
} from "@microterm/core/testing";
import { createLoopbackNetwork } from "@microterm/networks";
import { EnvironmentId } from "@microterm/protocol";
import { createSqliteStorage } from "@microterm/storage";
import { expect, it, onTestFinished } from "vitest";
import { makeTempFolder } from "../../support/temp-folder.ts";
import { ANN } from "./core-server.ts";

const PATIENT = { timeoutMs: 60_000 } as const;

/** Two drivers of one host, as those of one daemon are: they have the same images. */
function makeDrivers() {
  const images = ["before", "today"];
  const shared: VmDriver["images"] = {
    current: "today",
    list: async () => images.map((image) => ({ image, bytes: 1, isUsed: false })),
    inUse: async () => new Map(),
    remove: async (image) => void images.splice(images.indexOf(image), 1),
  };
  const driver = (name: string) => ({ ...createRecordingDriver({ name }), images: shared });
  return { one: driver("one"), other: driver("other"), images };
}

async function makeServers() {
  const folder = await makeTempFolder();
  onTestFinished(folder.remove);
  return async (preferred: VmDriver, ...others: readonly VmDriver[]) => {
    const storage = await createSqliteStorage({ path: join(folder.path, "microterm.db") });
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
      drivers: createDriverRegistry({ default: preferred, others }),
    });
    await service.recover();
    let isOpen = true;
    const close = async () => {
      if (isOpen) await service.close().then(() => storage.close());
      isOpen = false;
    };
    onTestFinished(close);
    return { service, storage, close };
  };
}

it("what was made with one driver is paused, resumed and destroyed by a server whose default is the other", async () => {
  const { one, other } = makeDrivers();
  const start = await makeServers();
  const first = await start(one, other);
  const { id } = await first.service.create(ANN, { name: "old" });
  await first.service.wait(ANN, id, { states: ["running"], ...PATIENT });
  await first.close();

  const { service } = await start(other, one);
  expect(await service.get(ANN, id)).toMatchObject({ state: "running", driver: "one" });
  await service.pause(ANN, id);
  await service.wait(ANN, id, { states: ["paused"], ...PATIENT });
  await service.resume(ANN, id);
  expect(await service.wait(ANN, id, { states: ["running"], ...PATIENT })).toMatchObject({ driver: "one" });
  expect([...one.machines.values()].map((machine) => machine.start)).toEqual(["boot", "resume"]);
  expect(other.machines.size).toBe(0);
  expect((await service.destroy(ANN, id)).left).toEqual([]);
  expect(await one.list()).toEqual([]);
});

it("images that drivers share are listed once, and those that rows of either may need are kept", async () => {
  const { one, other, images } = makeDrivers();
  const start = await makeServers();
  const first = await start(one, other);
  expect(images).toEqual(["today"]);
  const { id } = await first.service.create(ANN, { name: "old" });
  await first.service.wait(ANN, id, { states: ["running"], ...PATIENT });
  await first.service.stop(ANN, id);
  await first.service.wait(ANN, id, { states: ["stopped"], ...PATIENT });
  expect(await first.service.images()).toEqual([{ image: "today", bytes: 1, isCurrent: true, environments: 1 }]);
  // A row of before images were noted, on a host that has had a newer one since.
  const row = (await first.storage.environments.get(id, SYSTEM)) as EnvironmentRow;
  const older = EnvironmentId.parse("b".repeat(12));
  await first.storage.environments.insert({ ...row, id: older, name: "older", diskId: older, image: null });
  await first.close();
  images.unshift("before");

  const { storage } = await start(other, one);
  expect((await storage.environments.get(older, SYSTEM))?.image).toBe("before");
  expect(images).toEqual(["before", "today"]);
});
