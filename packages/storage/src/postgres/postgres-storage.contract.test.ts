import { actorOf, SYSTEM } from "@microterm/core";
import { accountRow, storageContract } from "@microterm/core/testing";
import { OwnerId } from "@microterm/protocol";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type PostgresCluster, startPostgres } from "../../../../support/postgres-cluster.ts";
import { createQuietLog } from "../../../../support/quiet-log.ts";
import { createPostgresStorage } from "./postgres-storage.ts";

const ANN = OwnerId.parse("annannann");
const NOW = "2026-11-22T10:00:00.000Z";

let cluster: PostgresCluster;
let databases = 0;

beforeAll(async () => {
  cluster = await startPostgres();
});

afterAll(() => cluster.remove());

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

/** The URL of a new, empty database. */
async function makeDatabase(): Promise<string> {
  const name = `contract_${databases++}`;
  await query(cluster.url("postgres"), `create database ${name}`);
  return cluster.url(name);
}

const open = (url: string, isExclusive = true) => createPostgresStorage({ url, log: createQuietLog(), isExclusive });

storageContract("postgresql", async () => open(await makeDatabase()));

describe("postgresql", () => {
  it("keeps everything across a close and a second migration", async () => {
    const url = await makeDatabase();
    const first = await open(url);
    await first.accounts.ensureDataFolderAccount(ANN, NOW);
    await first.close();
    const second = await open(url);
    onTestFinished(() => second.close());
    expect((await second.accounts.ensureDataFolderAccount(OwnerId.parse("another00"), NOW)).id).toBe(ANN);
  });

  it("is migrated once by several that start at once", async () => {
    const url = await makeDatabase();
    const storages = await Promise.all([open(url, false), open(url, false), open(url, false), open(url, false)]);
    for (const storage of storages) expect((await storage.accounts.ensureDataFolderAccount(ANN, NOW)).id).toBe(ANN);
    for (const storage of storages) await storage.close();
    const names = (await query(url, "select name from kysely_migration order by name")).map(({ name }) => name);
    expect(names[0]).toBe("0001-initial");
    expect(new Set(names).size).toBe(names.length);
  });

  it("is one server's: a second one is refused, until the first has gone", async () => {
    const url = await makeDatabase();
    const first = await open(url);
    await expect(open(url)).rejects.toMatchObject({
      code: "ENVIRONMENT_STATE",
      message: "another microterm server is running on this database",
    });
    await first.close();
    await (await open(url)).close();
  });

  it("refuses a database of a newer version", async () => {
    const url = await makeDatabase();
    await (await open(url)).close();
    await query(
      url,
      "insert into kysely_migration (name, timestamp) values ('9999-future', '2030-01-01T00:00:00.000Z')",
    );
    await expect(open(url)).rejects.toThrow(/9999-future/);
  });

  it("keeps a guest's words that have a NUL", async () => {
    const storage = await open(await makeDatabase());
    onTestFinished(() => storage.close());
    expect(await storage.environments.find("a\0b", actorOf({ id: ANN, role: "member" }))).toBeNull();
  });

  it("says by one error that it is not there, without the password", async () => {
    const url = cluster.url("absent").replace("microterm@", "microterm:hunter2@");
    const refused = await open(url).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "DATABASE_UNAVAILABLE" });
    expect(String(refused)).not.toContain("hunter2");
    await expect(open("postgresql://microterm@127.0.0.1:1/x")).rejects.toMatchObject({ code: "DATABASE_UNAVAILABLE" });
  });

  it.each(["crash", "freeze"] as const)(
    "is away after a %s, refuses at once what needs it, and is back by itself",
    async (end) => {
      const url = await makeDatabase();
      const returned: string[] = [];
      const log = createQuietLog();
      const storage = await createPostgresStorage({ url, log, onReturn: () => void returned.push("returned") });
      onTestFinished(() => storage.close());
      await storage.accounts.insert(accountRow(ANN, NOW));
      const connected = "select pid from pg_stat_activity where application_name = 'microterm'";
      const before = (await query(url, connected)).map(({ pid }) => pid);
      expect(before.length).toBeGreaterThan(1);
      await cluster[end]();
      const away = { code: "DATABASE_UNAVAILABLE" };
      await expect(storage.environments.list(SYSTEM)).rejects.toMatchObject(away);
      // In the middle of a transaction as well as beside one.
      await expect(storage.networks.remove("n00000000000" as never)).rejects.toMatchObject(away);
      await Promise.all(
        Array.from({ length: 50 }, () =>
          expect(storage.accounts.insert(accountRow(ANN, NOW))).rejects.toMatchObject(away),
        ),
      );
      await (end === "crash" ? cluster.start() : cluster.thaw());
      await expect.poll(() => returned).toEqual(["returned"]);
      // What was sent before, and is still to be carried out, would not be known to the recovery that begins now.
      for (const { pid } of await query(url, connected)) expect(before).not.toContain(pid);
      expect(await storage.environments.list(SYSTEM)).toEqual([]);
      await expect(open(url)).rejects.toMatchObject({ code: "ENVIRONMENT_STATE" });
      expect(log.lines.filter((line) => line.startsWith("error"))).toHaveLength(1);
    },
  );
});
