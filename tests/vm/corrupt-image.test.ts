import { spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { send } from "../../support/server.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";
import { testCache, testImage } from "../../support/test-image.ts";

const SCRIPT = join(import.meta.dirname, "../../microterm");

let folder: TempFolder;
let cache: string;
let data: string;
const hadUser = /^microterm:/m.test(readFileSync("/etc/passwd", "utf8"));

/** The entry script as a person runs it, without a terminal. */
function microterm(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const env = { ...process.env, MICROTERM_DATA: data, MICROTERM_CACHE: cache };
  return spawnSync(SCRIPT, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], env });
}

/** Sets a machine up, and hands back what set-up said. */
function up(): string {
  const { status, stdout, stderr } = microterm("up", "-d", "--port", "0");
  expect(status, stderr).toBe(0);
  expect(stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d+\//);
  return stderr;
}

beforeAll(async () => {
  // A cache of its own: what is spoilt here is shared with nothing else. Copies, for the cache's files are links to each other.
  await testImage();
  folder = await makeTempFolder();
  await runCommand(["chmod", "755", folder.path]);
  cache = join(folder.path, "cache");
  data = join(folder.path, "data");
  mkdirSync(cache);
  for (const part of ["images", "image-parts", "bin"]) {
    const from = join(testCache(), part);
    if (existsSync(from)) await runCommand(["cp", "-r", "--preserve=mode,timestamps", "--reflink=auto", from, cache]);
  }
});
afterAll(async () => {
  const { status, stderr } = microterm("down", "--destroy", "--yes");
  await folder.remove();
  if (!hadUser) await runCommand(["userdel", "microterm"]);
  expect(status, stderr).toBe(0);
});

/** Turns one byte in the middle of a file around; neither size nor name tell. */
function spoil(path: string): void {
  const fd = openSync(path, "r+");
  const byte = Buffer.alloc(1);
  const middle = 1_000_003;
  readSync(fd, byte, 0, 1, middle);
  byte[0] = (byte[0] as number) ^ 0xff;
  writeSync(fd, byte, 0, 1, middle);
  closeSync(fd);
}

const serverJson = () => JSON.parse(readFileSync(join(data, "server/server.json"), "utf8"));
const imageKey = (): string => {
  const lastUp = JSON.parse(readFileSync(join(data, "last-up.json"), "utf8"));
  return lastUp.image.key;
};

describe("an image that has gone bad", () => {
  it("in the daemon's folder is reported and installed again, while the daemon runs and after it", async () => {
    up();
    const installed = join(data, "host/images", imageKey(), "root.erofs");
    const good = (await runCommand(["sha256sum", installed])).stdout;

    const { pid } = serverJson();
    // Its keeper first, which would start it again.
    process.kill(Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]), "SIGKILL");
    process.kill(pid, "SIGKILL");
    spoil(installed);
    expect(up()).toMatch(/installed image is corrupt \(root\.erofs\).*again/);
    expect((await runCommand(["sha256sum", installed])).stdout).toBe(good);

    expect(microterm("down").status).toBe(0);
    spoil(installed);
    expect(up()).toMatch(/installed image is corrupt \(root\.erofs\).*again/);
    expect((await runCommand(["sha256sum", installed])).stdout).toBe(good);
  });

  it("in the cache is reported and made again, and boots", async () => {
    expect(microterm("down").status).toBe(0);
    // The one file of an image that is no link to the base, which takes minutes and the network to make.
    const cached = join(cache, "images", imageKey(), "initrd.cpio");
    const good = (await runCommand(["sha256sum", cached])).stdout;
    spoil(cached);
    expect(up()).toMatch(/corrupt \(initrd\.cpio.*rebuilt/);
    expect((await runCommand(["sha256sum", cached])).stdout).toBe(good);

    const { url } = serverJson();
    const token = readFileSync(join(data, "server/token"), "utf8").trim();
    const body = { name: "boots", memoryMib: 128, diskMib: 64 };
    expect((await send(`${url}/v1/environments`, "POST", { token, body })).status).toBe(201);
    const waited = await send(`${url}/v1/environments/boots/wait?state=running&timeoutMs=150000`, "GET", { token });
    expect(waited.json).toMatchObject({ state: "running" });
  });
});
