import { mkdir, readdir, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import { Receipt } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { scanMachines } from "../../support/host-scan.ts";
import { type QemuServer, startQemuServer } from "../../support/qemu-server.ts";
import { poll } from "../../support/server.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";
import { testImage } from "../../support/test-image.ts";

const MIB = 2 ** 20;
/** Beside the image: what the server leaves to the host (256 MiB), a disk, and what fills up in the tests. */
const ROOM_MIB = 256 + 160;

let mount: TempFolder;
let world: QemuServer;
beforeAll(async () => {
  const image = await testImage();
  let imageBytes = 0;
  for (const name of await readdir(image.directory)) imageBytes += (await stat(join(image.directory, name))).size;
  mount = await makeTempFolder();
  const size = `size=${Math.ceil(imageBytes / MIB) + ROOM_MIB}m,mode=0755`;
  const mounted = await runCommand(["mount", "-t", "tmpfs", "-o", size, "microterm-test", mount.path]);
  expect(mounted.code, mounted.stderr).toBe(0);
  const data = join(mount.path, "data");
  await mkdir(data);
  world = await startQemuServer({ data });
});
afterAll(async () => {
  try {
    await rm(filler(), { force: true });
    await world?.close();
  } finally {
    await runCommand(["umount", mount.path]);
    await mount.remove();
  }
});

const filler = () => join(mount.path, "filler");
/** Fills the host's file system but for so much. */
async function leaveFree(bytes: number): Promise<void> {
  await rm(filler(), { force: true });
  const { bavail, bsize } = await statfs(mount.path);
  const length = bavail * bsize - bytes;
  const filled = await runCommand(["fallocate", "-l", String(Math.floor(length)), filler()]);
  expect(filled.code, filled.stderr).toBe(0);
}

describe("a host without space", () => {
  it("refuses a create before anything is made, and what lives goes on", async () => {
    const id = await world.create({ name: "alive", diskMib: 64 });
    const before = await scanMachines(world.daemon);
    await leaveFree(280 * MIB);
    const refused = await world.server.call("POST", "/v1/environments", { body: { memoryMib: 128, diskMib: 64 } });
    expect([refused.status, refused.json.code]).toEqual([507, "HOST_OUT_OF_DISK"]);
    expect(refused.json.detail).toMatch(/64 MiB .* \d+ MiB/);

    // The daemon, asked past the server's admission, refuses as well.
    await leaveFree(200 * MIB);
    await expect(world.daemon.client.createDisk("nospacenospace", 64)).rejects.toMatchObject({
      code: "HOST_OUT_OF_DISK",
    });
    expect(await scanMachines(world.daemon)).toEqual(before);
    expect((await world.server.ok("GET", "/v1/environments")).environments).toHaveLength(1);
    expect((await world.run(id, "echo alive > file; sync; cat file")).stdout).toBe("alive\n");
  });

  it("lets an environment go on that it has no room to pause, and says so until it is used", async () => {
    const { environments } = await world.server.ok("GET", "/v1/environments");
    const { id } = environments[0];
    await leaveFree(8 * MIB);
    expect((await world.server.call("POST", `/v1/environments/${id}/pause`)).status).toBe(202);
    const shown = () => world.server.ok("GET", `/v1/environments/${id}`);
    await poll("the pause to fail", async () => (await shown()).reason === null);
    expect(await shown()).toMatchObject({ state: "running", notice: { kind: "pause-failed", at: null } });
    expect((await world.run(id, "cat file")).stdout).toBe("alive\n");
    expect((await shown()).notice).toBeNull();
    expect(await world.daemon.client.listSaves()).toEqual([]);
    await rm(filler());
  });

  it("without a single byte holds a guest that writes, and lets it go on when there is space again", async () => {
    const { environments } = await world.server.ok("GET", "/v1/environments");
    const { id } = environments[0];
    await leaveFree(8 * MIB);
    // The guest's disk is sparse: it thinks that there is room.
    const writing = "dd if=/dev/urandom of=big bs=1M count=24 conv=fsync; echo $? > done; sha256sum < big >> done";
    await world.run(id, `setsid sh -c '${writing}' > log 2>&1 &`);
    const free = async () => {
      const { bavail, bsize } = await statfs(mount.path);
      return bavail * bsize;
    };
    await poll("the host to be full", async () => (await free()) === 0);
    // Others live, and say what they are asked.
    expect((await world.server.call("GET", "/v1/environments")).status).toBe(200);
    expect((await world.server.call("GET", "/readyz")).status).toBe(200);
    const refused = await world.server.call("POST", "/v1/environments", { body: { memoryMib: 128, diskMib: 64 } });
    expect([refused.status, refused.json.code]).toEqual([507, "HOST_OUT_OF_DISK"]);
    const { machines } = await world.daemon.client.list();
    expect(machines).toMatchObject([{ alive: true }]);
    // A server cannot start here, and says why; one that comes later finds the guest standing still.
    await world.server.kill("SIGKILL");
    await expect(world.startServer()).rejects.toThrow(/No space is left for .*Free some/);
    await rm(filler());
    await world.startServer();
    await poll("the guest to go on", async () => (await world.run(id, "tail -1 done; true")).stdout.endsWith("  -\n"));
    const { stdout } = await world.run(id, "cat done; sudo sh -c 'echo 3 > /proc/sys/vm/drop_caches'; sha256sum < big");
    // What it had read back came from its cache: what is on the disk is the same.
    const [code, cached, onDisk] = stdout.trim().split("\n");
    expect([code, onDisk]).toEqual(["0", cached]);
  });

  it("without a single byte still destroys, which is how there comes to be space", async () => {
    const { environments } = await world.server.ok("GET", "/v1/environments");
    const { id } = environments[0];
    await leaveFree(0);
    const receipt = Receipt.parse(await world.server.ok("DELETE", `/v1/environments/${id}`));
    expect(receipt.left).toEqual([]);
    expect(await scanMachines(world.daemon, [id])).toEqual([]);
    await rm(filler());
  });
});
