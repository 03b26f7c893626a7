import { cpSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeOlderImage } from "../../support/older-image.ts";
import { type QemuServer, startQemuServer } from "../../support/qemu-server.ts";
import { poll } from "../../support/server.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";
import { type TestImage, testImage } from "../../support/test-image.ts";

/** What the older image's /etc/issue says, and the real one's. */
const OLDER = "Debian GNU/Linux 11";
const NEWER = "Debian GNU/Linux 12";

let folder: TempFolder;
let older: TestImage;
let newer: TestImage;
/** What `up` offers to the daemon: one image at a time. */
let offered: string;
let world: QemuServer;
/** The server's own arguments, which an update changes. */
const serverArgs: string[] = [];

beforeAll(async () => {
  folder = await makeTempFolder();
  newer = await testImage();
  older = await makeOlderImage(newer, join(folder.path, "older"));
  offered = join(folder.path, "offered");
  mkdirSync(offered);
  renameSync(older.directory, join(offered, older.key));
  world = await startQemuServer({ image: { directory: offered, key: older.key }, serverArgs });
});
afterAll(async () => {
  await world?.close();
  await folder?.remove();
});

const issue = async (id: string) => (await world.run(id, "cat /etc/issue")).stdout;
const images = async (): Promise<{ image: string; isCurrent: boolean; environments: number }[]> =>
  (await world.server.ok("GET", "/v1/host")).images;
const act = async (id: string, verb: string, state: string) => {
  await world.server.ok("POST", `/v1/environments/${id}/${verb}`);
  expect(await world.until(id, state, "failed")).toMatchObject({ state });
};

/** As `up` does with a newer checkout: machines live on. */
async function update(): Promise<void> {
  await world.server.kill("SIGTERM");
  // Those of the version before noted no images.
  const database = new DatabaseSync(join(world.daemon.data, "server/microterm.db"));
  database.exec("update environments set image = null");
  database.close();
  renameSync(join(offered, older.key), join(folder.path, "gone"));
  cpSync(newer.directory, join(offered, newer.key), { recursive: true });
  await world.daemon.restart();
  serverArgs.push("--image", newer.key);
  await world.startServer();
}

it("an update leaves environments on the image that they were made with, for life, and keeps it as long", async () => {
  const running = await world.create({ name: "running" });
  const paused = await world.create({ name: "paused", diskMib: 64 });
  await world.run(running, "echo mine > ~/file; sleep 10000 >/dev/null 2>&1 &");
  await world.run(paused, "touch /tmp/in-memory");
  await act(paused, "pause", "paused");
  await update();

  expect(await world.run(running, "pgrep -x sleep")).toMatchObject({ code: 0 });
  await act(running, "pause", "paused");
  await act(running, "resume", "running");
  expect(await world.run(running, "pgrep -x sleep")).toMatchObject({ code: 0 });
  await act(paused, "resume", "running");
  expect(await world.run(paused, "ls /tmp/in-memory")).toMatchObject({ code: 0 });
  await world.server.ok("DELETE", `/v1/environments/${paused}`);

  await act(running, "stop", "stopped");
  // Nothing but a row needs it now.
  expect(await images()).toEqual([
    { image: older.key, isCurrent: false, environments: 1, bytes: expect.any(Number) },
    { image: newer.key, isCurrent: true, environments: 0, bytes: expect.any(Number) },
  ]);
  await world.daemon.restart();
  await act(running, "start", "running");
  expect(await issue(running)).toContain(OLDER);
  expect((await world.run(running, "cat ~/file")).stdout).toBe("mine\n");

  const made = await world.create({ name: "made-after" });
  expect(await issue(made)).toContain(NEWER);
  await world.server.ok("DELETE", `/v1/environments/${running}`);
  await poll("the older image to be removed", async () => {
    const { images } = await world.daemon.client.hello();
    return images.length === 1 && images[0] === newer.key;
  });
});
