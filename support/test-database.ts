import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Storage } from "@microterm/core";
import { createPostgresStorage, createSqliteStorage } from "@microterm/storage";
import pg from "pg";
import { createQuietLog } from "./quiet-log.ts";

/** The URL of the run's PostgreSQL, where a test is to use that: its database `postgres`. The processes that a test starts inherit it. */
export const POSTGRES = "MICROTERM_TEST_POSTGRES";
/** Begins the names of the databases of one test file. */
const OWNER = "MICROTERM_TEST_POSTGRES_OWNER";

/** The database of one folder: SQLite in it, or one of its own in PostgreSQL, where the project of the test says so. */
export async function openTestStorage(folder: string, file = "microterm.db"): Promise<Storage> {
  const url = await testDatabaseUrl(folder);
  if (url === null) return createSqliteStorage({ path: join(folder, file) });
  // Tests hold several at once on one database, as they do on one file.
  return createPostgresStorage({ url, log: createQuietLog(), isExclusive: false });
}

/** Of the database of one folder, which is made where it is missing; null where that is SQLite. */
export async function testDatabaseUrl(folder: string): Promise<string | null> {
  const admin = process.env[POSTGRES];
  if (admin === undefined) return null;
  const name = `${process.env[OWNER]}_${createHash("sha256").update(folder).digest("hex").slice(0, 12)}`;
  await asAdmin(admin, async (client) => {
    // 42P04 is duplicate_database, and 23505 what two that make one at once may meet.
    await client.query(`create database ${name}`).catch((error: { code?: string }) => {
      if (error.code !== "42P04" && error.code !== "23505") throw error;
    });
  });
  return admin.replace("/postgres?", `/${name}?`);
}

/** From here on this process and those that it starts use PostgreSQL. */
export function usePostgres(url: string): void {
  process.env[POSTGRES] = url;
  process.env[OWNER] = `mt_${process.pid}`;
}

/** Removes the databases that this process and those that it has started have made. */
export async function dropTestDatabases(): Promise<void> {
  const admin = process.env[POSTGRES];
  if (admin === undefined) return;
  await asAdmin(admin, async (client) => {
    const { rows } = await client.query<{ datname: string }>(
      "select datname from pg_database where starts_with(datname, $1)",
      [`${process.env[OWNER]}_`],
    );
    for (const { datname } of rows) await client.query(`drop database if exists ${datname} with (force)`);
  });
}

async function asAdmin(url: string, act: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await act(client);
  } finally {
    await client.end();
  }
}
