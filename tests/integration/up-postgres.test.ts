import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type PostgresCluster, startPostgres } from "../../support/postgres-cluster.ts";
import { poll } from "../../support/server.ts";

const MAIN = join(import.meta.dirname, "../../packages/setup/src/main.ts");
const PASSWORD = "hunter2-of-ann";
const hadUser = /^microterm:/m.test(readFileSync("/etc/passwd", "utf8"));

let parent: string;
let data: string;
let cluster: PostgresCluster;
let url: string;

beforeAll(async () => {
  cluster = await startPostgres();
  const client = new pg.Client(cluster.url("postgres"));
  await client.connect();
  await client.query(`create role ann login password '${PASSWORD}'`);
  await client.query("create database terms owner ann");
  await client.end();
  url = cluster.url("terms").replace("microterm@", `ann:${PASSWORD}@`);
  parent = mkdtempSync(join(tmpdir(), "mt-up-postgres-"));
  spawnSync("chmod", ["755", parent]);
  data = join(parent, "data");
});

afterAll(async () => {
  run(["down", "--destroy", "--yes"]);
  rmSync(parent, { recursive: true, force: true });
  await cluster.remove();
  if (!hadUser && process.getuid?.() === 0) spawnSync("userdel", ["microterm"]);
});

function run(args: readonly string[], database?: string, folder = data) {
  const { DATABASE_URL: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args, "--data", folder], {
    encoding: "utf8",
    env: { ...env, ...(database === undefined ? {} : { DATABASE_URL: database }) },
  });
  return { status, stdout, stderr };
}

const up = (database?: string, folder = data) =>
  run(["up", "-d", "--port", "0", "--driver", "process"], database, folder);

const server = (): { url: string; pid: number } => JSON.parse(readFileSync(join(data, "server/server.json"), "utf8"));

async function database(): Promise<unknown> {
  const token = readFileSync(join(data, "server/token"), "utf8").trim();
  const answer = await fetch(`${server().url}/v1/host`, { headers: { authorization: `Bearer ${token}` } });
  return ((await answer.json()) as { database: unknown }).database;
}

/** What anybody may read of all processes, and what the server tells of itself. */
function shown(): string {
  const commands = readdirSync("/proc").flatMap((pid) => {
    try {
      return /^\d+$/.test(pid) ? [readFileSync(`/proc/${pid}/cmdline`, "utf8")] : [];
    } catch {
      return [];
    }
  });
  const files = ["server/server.json", "server/server.log", "server-start.log", "last-up.json", "server/drivers.json"];
  const reports = [run(["status"]), run(["status", "-o", "json"]), run(["doctor"])].map(
    ({ stdout, stderr }) => stdout + stderr,
  );
  return [...commands, ...reports, ...files.map((file) => readFileSync(join(data, file), "utf8"))].join("\n");
}

it("a database that cannot be used is said, and is not remembered", () => {
  const refused = up(url.replace("/terms", "/absent"));
  expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining('database "absent" does not exist') });
  expect(up("mysql://ann@localhost/x")).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("not the URL of a PostgreSQL"),
  });
  expect(existsSync(join(data, "database-url"))).toBe(false);
});

it("up uses it, remembers it for every later server, and nothing shows its password", async () => {
  expect(up(url).stderr).toContain("Ready in");
  expect(await database()).toEqual({ kind: "postgresql", place: expect.stringContaining("database terms") });
  expect(statSync(join(data, "database-url")).mode & 0o777).toBe(0o600);
  expect(existsSync(join(data, "server/microterm.db"))).toBe(false);
  expect(run(["status"]).stdout).toMatch(/^database {2}postgresql, .*, database terms$/m);
  expect(run(["doctor"]).stdout).toMatch(/✓ database +postgresql at .*database terms/);
  expect(shown()).not.toContain(PASSWORD);

  // Its keeper's next one.
  const { pid } = server();
  process.kill(pid, "SIGKILL");
  await poll("the next server", () => server().pid !== pid);
  await poll("it to answer", async () => (await fetch(`${server().url}/readyz`).catch(() => null))?.ok === true);
  expect(await database()).toMatchObject({ kind: "postgresql" });

  // A later up's, which does not name it.
  expect(run(["down"]).status).toBe(0);
  expect(up().stderr).toContain("Ready in");
  expect(await database()).toMatchObject({ kind: "postgresql" });
});

it("another database than a folder was used with is refused, with what to do", () => {
  const other = up(url.replace("/terms", "/postgres"));
  expect(other).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/is used with the database at .*terms.*postgres\n.*backup/),
  });
  expect(other.stderr).not.toContain(PASSWORD);
  expect(server().pid).toBeGreaterThan(0);
});

it("one with its environments in SQLite is not started on another, and two folders not on one database", () => {
  const plain = join(parent, "plain");
  expect(up(undefined, plain).stderr).toContain("Ready in");
  expect(up(url, plain)).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("has its environments in SQLite"),
  });
  expect(run(["down", "--destroy", "--yes"], undefined, plain).status).toBe(0);
  const second = join(parent, "second");
  expect(up(url, second)).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("another microterm server is running on this database"),
  });
  run(["down", "--destroy", "--yes"], undefined, second);
});
