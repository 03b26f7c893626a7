import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { actorOf, type Storage } from "@microterm/core";
import { accountRow, auditRow, environmentRow } from "@microterm/core/testing";
import { EnvironmentId, MachineId, OwnerId } from "@microterm/protocol";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type PostgresCluster, startPostgres } from "../../../../support/postgres-cluster.ts";
import { createQuietLog } from "../../../../support/quiet-log.ts";
import { createPostgresStorage } from "../postgres/postgres-storage.ts";
import { createSqliteStorage } from "../sqlite/sqlite-storage.ts";
import type { DatabaseLocation } from "./database-location.ts";
import { exportDatabase } from "./export-database.ts";
import { importDatabase } from "./import-database.ts";

const ANN = OwnerId.parse("annannann");
const NOW = "2026-11-22T10:00:00.000Z";
const LATER = "2030-11-22T10:00:00.000Z";
const KINDS = ["sqlite", "postgresql"] as const;

let cluster: PostgresCluster;
let databases = 0;

beforeAll(async () => {
  cluster = await startPostgres();
});

afterAll(() => cluster.remove());

/** A database that nobody has opened yet. */
async function makeLocation(kind: (typeof KINDS)[number]): Promise<DatabaseLocation> {
  if (kind === "sqlite") {
    const folder = mkdtempSync(join(tmpdir(), "microterm-backup-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    return { kind, path: join(folder, "microterm.db") };
  }
  const client = new pg.Client(cluster.url("postgres"));
  await client.connect();
  const name = `backup_${databases++}`;
  await client.query(`create database ${name}`);
  await client.end();
  return { kind, url: cluster.url(name) };
}

async function open(location: DatabaseLocation): Promise<Storage> {
  const storage =
    location.kind === "sqlite"
      ? await createSqliteStorage(location)
      : await createPostgresStorage({ url: location.url, log: createQuietLog() });
  onTestFinished(() => storage.close());
  return storage;
}

async function exported(location: DatabaseLocation): Promise<string[]> {
  const lines: string[] = [];
  await exportDatabase(location, async (line) => void lines.push(line));
  return lines;
}

async function* from(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}

const environment = (name: string, over: Parameters<typeof environmentRow>[0] = {}) =>
  environmentRow({ id: EnvironmentId.parse(name.padEnd(12, "0")), name, owner: ANN, ...over });

/** Something in every table. */
async function fill(storage: Storage): Promise<void> {
  await storage.accounts.insert(accountRow(ANN, NOW));
  await storage.networks.insert({ id: "n00000000000" as never, owner: ANN, name: "team", createdAt: NOW }, 10);
  const machineId = MachineId.parse("m".repeat(16));
  await storage.environments.insert(
    environment("runs", { state: "running", runningSince: NOW, machineId, network: { mode: "open" } }),
  );
  await storage.environments.setSharedNetwork(EnvironmentId.parse("runs00000000"), "n00000000000" as never, {
    ...{ state: "running", machineId, most: 5 },
  });
  await storage.environments.insert(environment("rests", { state: "stopped", reason: '…\u0001ä"\n' }));
  await storage.credentials.insert({
    ...{ hash: "h".repeat(64), id: "token0000000", kind: "token", owner: ANN, name: "test" },
    ...{ scopes: ["exec"], device: null, address: "192.0.2.1", createdAt: NOW, lastUsedAt: null, expiresAt: null },
  });
  await storage.identities.insert({
    ...{ id: "identity0000", issuer: "https://sso.example.org", subject: "s-1", account: ANN, name: "ann" },
    ...{ createdAt: NOW, lastUsedAt: null },
  });
  await storage.invitations.insert(
    {
      ...{ hash: "i".repeat(64), id: "invitation00", role: "member", usesLeft: 2, createdBy: ANN },
      ...{ createdAt: NOW, expiresAt: LATER },
    },
    10,
    NOW,
  );
  const grant = {
    hash: "g".repeat(64),
    id: "grant0000000",
    kind: "session" as const,
    port: 80,
    createdAt: NOW,
    expiresAt: LATER,
  };
  await storage.previews.insert({
    ...grant,
    environment: EnvironmentId.parse("rests0000000"),
    credential: "h".repeat(64),
  });
  await storage.audit.append(auditRow(0));
  await storage.templates.made("key", "recipe");
  await storage.machinePins.set(machineId, "f".repeat(64));
  const terminal = { environment: EnvironmentId.parse("rests0000000"), terminal: "main" };
  await storage.recordings.begin({ ...terminal, id: "recording000", startedAt: NOW, createdUnixMs: 1 }, [], () => {});
  const mark = { offset: 2n ** 63n, elapsedMs: 1, isFull: false };
  await storage.recordings.append(terminal, 0, new Uint8Array(3_000_000).fill(200), mark);
  await storage.keptScreens.put({ ...terminal, createdUnixMs: 1, offset: 1n, bytes: new Uint8Array([0, 255, 10, 34]) });
  await storage.consoles.put(terminal.environment, new Uint8Array());
  await storage.attempts.count("a".repeat(64), 1, 1);
  await storage.idempotency.claim(ANN, "key", "fingerprint", NOW);
  for (let index = 0; index < 1500; index++) await storage.templates.made(`key${index}`, "recipe");
}

describe.each(KINDS)("a backup of %s", (source) => {
  it.each(KINDS)("fills %s with the same rows, without their machines", async (target) => {
    const location = await makeLocation(source);
    await fill(await open(location));
    const lines = await exported(location);
    const other = await makeLocation(target);
    await importDatabase(other, from(lines), { replaces: false });
    const storage = await open(other);
    const rows = await storage.environments.list(actorOf({ id: ANN, role: "member" }));
    expect(rows.map((row) => [row.name, row.state, row.machineId, row.runningSince, row.sharedNetwork])).toEqual([
      ["rests", "stopped", null, null, null],
      ["runs", "stopped", null, null, "n00000000000"],
    ]);
    const bare = (all: readonly string[]) => all.filter((line) => !line.startsWith('{"table":"environments"')).sort();
    expect(bare(await exported(other))).toEqual(bare(lines));
    await expect(importDatabase(other, from(lines), { replaces: false })).rejects.toMatchObject({
      code: "ENVIRONMENT_STATE",
    });
  });
});

describe.each(KINDS)("a restore into %s", (kind) => {
  it("that is refused, or cut off, leaves no row, and can be begun again", async () => {
    const source = await makeLocation("sqlite");
    await fill(await open(source));
    const lines = await exported(source);
    const target = await makeLocation(kind);
    const foreign = JSON.stringify({ table: "accounts", row: { id: "x", name: "x", created_at: NOW, more: 1 } });
    for (const [damaged, code] of [
      [lines.slice(0, -1), "BAD_REQUEST"],
      [[...lines.slice(0, -2), ...lines.slice(-1)], "BAD_REQUEST"],
      [[...lines, lines.at(-1) as string], "BAD_REQUEST"],
      [[...lines.slice(0, 3), foreign, ...lines.slice(3)], "BAD_REQUEST"],
      [["{}", ...lines.slice(1)], "BAD_REQUEST"],
      [["not JSON"], "BAD_REQUEST"],
      [['{"format":1,"migration":"9999-future"}', ...lines.slice(1)], "UNSUPPORTED"],
    ] as const) {
      await expect(importDatabase(target, from(damaged), { replaces: false })).rejects.toMatchObject({ code });
    }
    await importDatabase(target, from(lines), { replaces: false });
    await importDatabase(target, from(lines), { replaces: true });
    expect(await (await open(target)).environments.count(actorOf({ id: ANN, role: "member" }))).toBe(2);
  });
});
