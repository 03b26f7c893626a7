import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serverAccount } from "../../packages/setup/src/server/account.ts";
import { type PostgresCluster, startPostgres } from "../../support/postgres-cluster.ts";
import { startServer } from "../../support/server.ts";

const MAIN = join(import.meta.dirname, "../../packages/setup/src/main.ts");
const hadUser = /^microterm:/m.test(readFileSync("/etc/passwd", "utf8"));

/** A verb of set-up, as a person runs it. */
function run(args: readonly string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  return { status, stdout, stderr };
}

/** Kills a verb with -9 after so many ms. Resolves with its exit code; null where it was killed. */
async function killed(
  args: readonly string[],
  afterMs: number,
  env: Record<string, string> = {},
): Promise<number | null> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: "ignore", env: { ...process.env, ...env } });
  const timer = setTimeout(() => child.kill("SIGKILL"), afterMs);
  const [code] = await once(child, "exit");
  clearTimeout(timer);
  return code;
}

async function makeDatabase(name: string): Promise<string> {
  const client = new pg.Client(cluster.url("postgres"));
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  return cluster.url(name);
}

let folder: string;
let cluster: PostgresCluster;
/** Of a server with an environment that ran, a kept screen and a recording. */
let data: string;
let owner: string;

beforeAll(async () => {
  cluster = await startPostgres();
  folder = mkdtempSync(join(tmpdir(), "mt-backup-"));
  // The server's own user passes through.
  spawnSync("chmod", ["711", folder]);
  data = join(folder, "data");
  mkdirSync(data, { mode: 0o711 });
  const server = await startServer({ data });
  await server.environment("kept");
  owner = (await server.ok("GET", "/v1/session")).owner;
  mkdirSync(join(data, "server/recordings/x"), { recursive: true });
  writeFileSync(join(data, "server/recordings/x/t1.cast"), "recorded\n");
  await server.kill("SIGTERM");
  // As 'up' leaves it for root: the folder is the service user's.
  mkdirSync(join(data, "app"), { recursive: true });
  const { uid, gid } = await serverAccount();
  spawnSync("chown", ["-R", `${uid}:${gid}`, join(data, "server")]);
}, 180_000);

afterAll(async () => {
  const last = await startServer({ data });
  expect(await last.dispose()).toEqual([]);
  rmSync(folder, { recursive: true, force: true });
  await cluster.remove();
  if (!hadUser && process.getuid?.() === 0) spawnSync("userdel", ["microterm"]);
});

/** A backup of it. */
function backUp(name: string): string {
  const file = join(folder, name);
  expect(run(["backup", file, "--data", data])).toMatchObject({ status: 0, stdout: `${file}\n` });
  return file;
}

const MEMBERS = ["manifest.json", "database.jsonl", "server.tar"];
function membersOf(file: string): readonly string[] {
  const { status, stdout } = spawnSync("tar", ["tf", file], { encoding: "utf8" });
  expect(status).toBe(0);
  return stdout.trim().split("\n");
}

async function expectRestored(target: string, env: Record<string, string> = {}): Promise<void> {
  expect(readFileSync(join(target, "server/recordings/x/t1.cast"), "utf8")).toBe("recorded\n");
  if (process.getuid?.() === 0) spawnSync("chown", ["-R", "root:root", join(target, "server")]);
  const server = await startServer({ data: target, env });
  expect((await server.ok("GET", "/v1/session")).owner).toBe(owner);
  const { environments } = await server.ok("GET", "/v1/environments");
  expect(environments).toMatchObject([{ name: "kept", state: "stopped", reason: "restored from a backup" }]);
  await server.ok("POST", "/v1/environments/kept/start");
  expect((await server.ok("GET", "/v1/environments/kept/wait?state=running")).state).toBe("running");
  expect(await server.dispose()).toEqual([]);
}

describe("a backup", () => {
  it("is its owner's alone, is a tar, and is not written over", () => {
    const file = backUp("first");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(membersOf(file)).toEqual(MEMBERS);
    const kept = spawnSync("sh", ["-c", 'tar xOf "$1" server.tar | tar t', "sh", file], { encoding: "utf8" }).stdout;
    expect(kept).toContain("recordings/x/t1.cast\n");
    expect(kept).not.toMatch(/microterm\.db|server\.lock|token/);
    expect(run(["backup", file, "--data", data])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("is there already"),
    });
    expect(readdirSync(folder).filter((name) => name.includes("partial"))).toEqual([]);
  });

  it("that is killed leaves no file of its name or a whole one, and nothing once the next one is made", async () => {
    const file = join(folder, "killed-backup");
    let kills = 0;
    // One that is whole may be killed before it has ended.
    for (let afterMs = 150; !existsSync(file); afterMs += 250) {
      if ((await killed(["backup", file, "--data", data], afterMs)) !== 0) kills++;
    }
    expect(kills).toBeGreaterThan(0);
    expect(membersOf(file)).toEqual(MEMBERS);
    expect(readdirSync(folder).filter((name) => name.includes("partial"))).toEqual([]);
  });

  it("that cannot be made leaves nothing", () => {
    const file = join(folder, "none");
    const { status, stderr } = run(["backup", file, "--data", join(folder, "absent")]);
    expect([status, stderr]).toEqual([1, expect.stringContaining("there is nothing in")]);
    expect(existsSync(file)).toBe(false);
  });
});

describe("a restore", () => {
  it("makes a data folder itself again, and only an empty one", async () => {
    const file = backUp("second");
    const target = join(folder, "restored");
    expect(run(["restore", file, "--data", target])).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(`Restored: 1 environment\\..* Next: ./microterm up --data ${target}\n`),
    });
    expect(run(["restore", `${file}.none`, "--data", join(folder, "none")])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`${file}.none is not there`),
    });
    expect(run(["restore", file, "--data", target])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("an empty data folder"),
    });
    await expectRestored(target);
  });

  it("fills a PostgreSQL, once, and begins again where it was killed", async () => {
    const file = backUp("third");
    const env = { DATABASE_URL: cluster.url("postgres") };
    const target = join(folder, "to-postgres");
    expect(run(["restore", file, "--data", target], env)).toMatchObject({ status: 0 });
    expect(statSync(join(target, "database-url")).mode & 0o777).toBe(0o600);
    const other = join(folder, "to-postgres-again");
    expect(run(["restore", file, "--data", other], env)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("is in use already"),
    });
    // As a restore that was killed at its end leaves it.
    rmSync(join(target, "database-url"));
    const { database } = { database: `${cluster.url("postgres").split("host=")[1]}` };
    writeFileSync(
      join(target, "restoring.json"),
      JSON.stringify({ database: `${decodeURIComponent(database)}, port 5432, database postgres` }),
    );
    writeFileSync(join(target, "server/half"), "half");
    expect(run(["up", "-d", "--driver", "process", "--data", target], env)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("was cut off"),
    });
    expect(run(["restore", file, "--data", target], env)).toMatchObject({ status: 0 });
    expect(existsSync(join(target, "server/half"))).toBe(false);
    await expectRestored(target, env);
  });

  it("is begun again, and again, however often it is killed", async () => {
    const file = backUp("fourth");
    const env = { DATABASE_URL: await makeDatabase("killed") };
    const target = join(folder, "killed");
    for (let afterMs = 150; ; afterMs += 400) {
      if ((await killed(["restore", file, "--data", target], afterMs, env)) === 0) break;
      expect(existsSync(join(target, "database-url")) && !existsSync(join(target, "restoring.json"))).toBe(false);
    }
    await expectRestored(target, env);
  });

  const damages: readonly (readonly [string, (file: string) => void, string])[] = [
    ["is cut off", (file) => truncateSync(file, statSync(file).size - 2000), "is cut off"],
    ["is empty", (file) => truncateSync(file, 0), "cut off"],
    [
      "has a byte that is another",
      (file) => spawnSync("sh", ["-c", `printf X | dd of="${file}" bs=1 seek=1050200 conv=notrunc`]),
      "is damaged",
    ],
    ["is no backup", (file) => writeFileSync(file, "hello".repeat(1000)), "it is no tar"],
  ];
  it.each(damages)("of a file that %s changes nothing", (name, damage, says) => {
    const file = join(folder, `damaged-${name}`);
    cpSync(backUp(`whole-${name}`), file);
    damage(file);
    const target = join(folder, `target-${name}`);
    expect(run(["restore", file, "--data", target])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(says),
    });
    expect(existsSync(target)).toBe(false);
  });
});
