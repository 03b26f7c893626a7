import { readdirSync, statSync } from "node:fs";
import { mkdir, readdir, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import { Environment, Receipt } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { scanMachines } from "../../support/host-scan.ts";
import { type QemuServer, startQemuServer } from "../../support/qemu-server.ts";
import { poll } from "../../support/server.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";
import { TerminalClient } from "../../support/terminal-client.ts";
import { testImage } from "../../support/test-image.ts";

const MIB = 2 ** 20;
/** Beside the image: what the server leaves to the host (256 MiB), disks, a guest's memory, and what fills up in the tests. */
const ROOM_MIB = 256 + 320;
/** How long a save stands still. A guest that was not told the time would be so much late. */
const HELD_MS = 15_000;
const CLOCK_S = 10;

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
  // A disk that is promised once cannot become full of guests.
  world = await startQemuServer({ data, serverArgs: ["--overcommit", "disk=4"] });
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

/**
 * Asks for a pause and has the daemon stand still in the middle of it, with the first pages written: a host that saves faster than this
 * looks is resumed and asked again. Resolves with the daemon's pid, which wants a SIGCONT.
 */
async function holdSave(id: string): Promise<number> {
  const { pid } = await world.daemon.client.hello();
  const folder = join(world.daemon.data, "host/saves");
  const others = new Set(readdirSync(folder));
  const own = () => readdirSync(folder).filter((name) => !others.has(name));
  for (let tries = 0; tries < 5; tries++) {
    await world.server.ok("POST", `/v1/environments/${id}/pause`);
    // Without giving way: a save takes a fraction of a second.
    for (const until = Date.now() + 60_000; Date.now() < until; ) {
      const memory = own().map((name) => statSync(join(folder, name, "memory"), { throwIfNoEntry: false }));
      if (!memory.some((file) => file !== undefined && file.blocks > 0)) continue;
      process.kill(pid, "SIGSTOP");
      if (own().every((name) => name.endsWith(".new"))) return pid;
      break;
    }
    process.kill(pid, "SIGCONT");
    expect(await world.until(id, "paused", "failed")).toMatchObject({ state: "paused" });
    await world.server.ok("POST", `/v1/environments/${id}/resume`);
    await world.until(id, "running");
  }
  throw new Error("every save was faster");
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

  it("continues an environment that it has no room to pause, and says so until it is used", async () => {
    const { environments } = await world.server.ok("GET", "/v1/environments");
    const { id } = environments[0];
    await leaveFree(8 * MIB);
    expect((await world.server.call("POST", `/v1/environments/${id}/pause`)).status).toBe(202);
    const shown = () => world.server.ok("GET", `/v1/environments/${id}`);
    await poll("the pause to fail", async () => (await shown()).operation === null);
    expect(await shown()).toMatchObject({ state: "running", notice: { code: "pause-failed" } });
    expect((await world.run(id, "cat file")).stdout).toBe("alive\n");
    expect((await shown()).notice).toBeNull();
    expect(await world.daemon.client.listSaves()).toEqual([]);
    await rm(filler());
  });

  it.each([
    ["there is room for a part of it", 16 * MIB],
    ["others have taken what is kept free", 100 * MIB],
  ])(
    "continues, at the exact byte and with the right time, where a pause finds halfway through that %s",
    async (_, left) => {
      await rm(filler(), { force: true });
      const { id } = await world.server.ok("POST", "/v1/environments", { memoryMib: 192, diskMib: 64 });
      const environment = Environment.parse(await world.until(id, "running", "failed"));
      await world.run(id, "head -c 80M /dev/urandom > /dev/shm/ballast");
      const client = await new TerminalClient(world.server, id, environment.terminals[0]?.id ?? "").opened();
      await client.until("$ ");
      client.type('n=0; while :; do n=$((n+1)); echo "<$n>"; sleep 0.2; done\r');
      await client.until("<5>");
      const machines = async () => readdir(join(world.daemon.data, "host/machines"), { recursive: true });
      const before = (await machines()).sort();

      const held = await holdSave(id);
      try {
        await leaveFree(left);
        const until = Date.now() + HELD_MS;
        await poll("the save to have stood still", () => Date.now() > until);
        expect(await world.server.ok("GET", `/v1/environments/${id}`)).toMatchObject({ operation: "pause" });
      } finally {
        process.kill(held, "SIGCONT");
      }
      const shown = async () => Environment.parse(await world.server.ok("GET", `/v1/environments/${id}`));
      await poll("the pause to fail", async () => (await shown()).operation === null);
      expect(await shown()).toMatchObject({ state: "running", notice: { code: "pause-failed" } });
      expect(await shown()).toMatchObject({ notice: { detail: expect.stringMatching(/the disk became full/) } });
      expect(await readdir(join(world.daemon.data, "host/saves"))).toEqual([]);
      expect((await machines()).sort()).toEqual(before);
      const counted = () => [...client.text.matchAll(/<(\d+)>/g)].map(([, digits]) => Number(digits));
      const soFar = counted().length;
      await poll("it to count on", () => counted().length > soFar + 5);
      expect(counted()).toEqual(counted().map((_, index) => index + 1));
      expect([client.jumps, client.frames.filter((frame) => /^(GAP|KEYFRAME)/.test(frame))]).toEqual([[], []]);
      const askedAt = Date.now() / 1000;
      const date = Number((await world.run(id, "date +%s")).stdout);
      expect(date).toBeGreaterThan(askedAt - CLOCK_S);
      expect(date).toBeLessThan(Date.now() / 1000 + CLOCK_S);

      // With room again it is paused as any other.
      await rm(filler());
      await world.server.ok("POST", `/v1/environments/${id}/pause`);
      expect(await world.until(id, "paused", "failed")).toMatchObject({ state: "paused" });
      await world.server.ok("POST", `/v1/environments/${id}/resume`);
      expect(await world.until(id, "running", "failed", "paused")).toMatchObject({ state: "running" });
      const resumedAt = counted().length;
      await poll("it to count on", () => counted().length > resumedAt + 5);
      expect(counted()).toEqual(counted().map((_, index) => index + 1));
      client.socket.close();
      expect(Receipt.parse(await world.server.ok("DELETE", `/v1/environments/${id}`)).left).toEqual([]);
    },
  );

  it("stops one that it has no room to pause, where that was asked for meanwhile", async () => {
    const { id } = await world.server.ok("POST", "/v1/environments", { memoryMib: 192, diskMib: 64 });
    await world.until(id, "running");
    await world.run(id, "echo kept > file; head -c 80M /dev/urandom > /dev/shm/ballast");
    const held = await holdSave(id);
    try {
      await leaveFree(16 * MIB);
      const stopping = await world.server.ok("POST", `/v1/environments/${id}/stop`);
      expect(stopping).toMatchObject({ state: "running", operation: "stop" });
    } finally {
      process.kill(held, "SIGCONT");
    }
    const stopped = await world.until(id, "stopped", "paused", "failed");
    expect(stopped).toMatchObject({ state: "stopped", operation: null, reason: null, notice: null });
    expect(await readdir(join(world.daemon.data, "host/saves"))).toEqual([]);
    await rm(filler());
    await world.server.ok("POST", `/v1/environments/${id}/start`);
    await world.until(id, "running");
    // It was powered off and not killed: nothing had synced.
    expect((await world.run(id, "cat file")).stdout).toBe("kept\n");
    expect(Receipt.parse(await world.server.ok("DELETE", `/v1/environments/${id}`)).left).toEqual([]);
  });

  it("without a single byte holds a guest that writes, and continues it when there is space again", async () => {
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
