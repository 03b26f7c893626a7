import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Environment } from "@microterm/protocol";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type QemuServer, SERVER_UID, startQemuServer } from "../../support/qemu-server.ts";

const MAIN = join(import.meta.dirname, "../../packages/setup/src/main.ts");
const hadUser = /^microterm:/m.test(readFileSync("/etc/passwd", "utf8"));

let folder: string;
let world: QemuServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mt-backup-"));
  spawnSync("chmod", ["711", folder]);
  world = await startQemuServer();
});
afterAll(async () => {
  await world.close();
  rmSync(folder, { recursive: true, force: true });
  if (!hadUser) spawnSync("userdel", ["microterm"]);
});

const setUp = (...args: readonly string[]) => spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8" });

it("takes disks along, of environments that run as well, and a restored data folder starts them", async () => {
  const running = await world.create({ name: "running" });
  await world.run(running, "echo of running > kept && sync");
  const stopped = await world.create({ name: "stopped" });
  await world.run(stopped, "echo of stopped > kept");
  await world.server.ok("POST", `/v1/environments/${stopped}/stop`);
  await world.until(stopped, "stopped");

  const file = join(folder, "backup");
  const made = setUp("backup", file, "--data", world.daemon.data);
  expect([made.status, made.stderr]).toEqual([0, expect.stringContaining("Copying the disk of running")]);
  expect(Environment.parse(await world.until(running, "running")).name).toBe("running");
  expect((await world.run(running, "cat kept")).stdout).toBe("of running\n");
  // The same ids beside each other on one host would be each other's leftovers.
  for (const id of [running, stopped]) await world.server.ok("DELETE", `/v1/environments/${id}`);
  // Two disks of 256 MiB, of which little is written, and the image.
  const { blocks, size } = statSync(file);
  expect(blocks * 512).toBeLessThan(size + 1024 * 1024);

  const data = join(folder, "restored");
  const restored = setUp("restore", file, "--data", data);
  expect([restored.status, restored.stderr]).toEqual([0, expect.stringContaining("Restored: 2 environments")]);
  // As the world makes it for its server's user.
  rmdirSync(join(data, "app"));
  spawnSync("chown", ["-R", `${SERVER_UID}:${SERVER_UID}`, join(data, "server")]);
  const other = await startQemuServer({ data });
  try {
    for (const [id, name] of [
      [running, "running"],
      [stopped, "stopped"],
    ] as const) {
      expect(await other.until(id, "stopped")).toMatchObject({ name, state: "stopped" });
      await other.server.ok("POST", `/v1/environments/${id}/start`);
      await other.until(id, "running");
      expect((await other.run(id, "cat kept")).stdout).toBe(`of ${name}\n`);
    }
  } finally {
    await other.close();
  }
});
