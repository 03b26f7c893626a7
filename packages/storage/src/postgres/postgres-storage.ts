import type { Log, Storage } from "@microterm/core";
import { Kysely, PostgresDialect } from "kysely";
import { migrate } from "../migrate.ts";
import type { Schema } from "../schema.ts";
import { createStorage } from "../storage.ts";
import { clientConfig, createPool } from "./postgres-pool.ts";
import { type DatabaseWatch, watchDatabase } from "./watch-database.ts";

/** A migration may have to write every row, and a second server's waits for the first one's. */
const MIGRATION_TIMEOUT_MS = 10 * 60_000;

/**
 * For single statements: the steps of an environment's start or stop. A crash of the database loses the last 0.6 s of them at most, and the
 * recovery that follows compares the rows with the host. Transactions, which hold what people asked for, are durable: `postgres-pool.ts`
 * begins them so (https://www.postgresql.org/docs/current/wal-async-commit.html).
 */
const UNSYNCED = { options: "-c synchronous_commit=off" } as const;

export interface PostgresStorageOptions {
  /** `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`, as libpq reads it. */
  readonly url: string;
  readonly log: Log;
  /** Refuse a database that another server works on. True when absent. */
  readonly isExclusive?: boolean;
  /** Called each time that the database is back after it was away, with what was begun before in whatever state it was left. */
  readonly onReturn?: () => void;
}

/**
 * Connects to the database and migrates it. Rejects with `DATABASE_UNAVAILABLE`, and with `ENVIRONMENT_STATE` where it has another server.
 * While the database is away, every call of the storage rejects with `DATABASE_UNAVAILABLE`: the first ones after 5 s at most, the rest at
 * once.
 */
export async function createPostgresStorage(options: PostgresStorageOptions): Promise<Storage> {
  // Only where it is wanted: SQLite does without its memory.
  const { default: pg } = await import("pg");
  const config = clientConfig(pg, options.url);
  const watch = await watchDatabase(pg, {
    config,
    log: options.log,
    isExclusive: options.isExclusive ?? true,
    onReturn: options.onReturn ?? (() => {}),
  });
  try {
    const long = { statementMs: MIGRATION_TIMEOUT_MS, answerMs: MIGRATION_TIMEOUT_MS };
    const migrating = open(createPool(pg, clientConfig(pg, options.url, long), watch));
    await migrate(migrating).finally(() => migrating.destroy());
  } catch (error) {
    await watch.close();
    throw error;
  }
  return closedWith(createStorage(open(createPool(pg, { ...config, ...UNSYNCED }, watch))), watch);
}

const open = (pool: ReturnType<typeof createPool>): Kysely<Schema> =>
  new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });

const closedWith = (storage: Storage, watch: DatabaseWatch): Storage => ({
  ...storage,
  async close() {
    await storage.close();
    await watch.close();
  },
});
