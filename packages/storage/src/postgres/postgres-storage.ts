import type { Log, Storage } from "@microterm/core";
import { Kysely, PostgresDialect } from "kysely";
import type { Client, PoolClient } from "pg";
import { migrate } from "../migrate.ts";
import type { Schema } from "../schema.ts";
import { createStorage } from "../storage.ts";
import { Membership, type MembershipOptions } from "./fleet/membership.ts";
import { Outbox } from "./fleet/outbox.ts";
import { createPostgresFleet } from "./fleet/postgres-fleet.ts";
import { endFleet } from "./fleet/take-over.ts";
import { clientConfig, createPool } from "./postgres-pool.ts";
import { JOINING_NAME, lockAlone, memberName, SERVER_NAME } from "./server-locks.ts";
import { type DatabaseWatch, watchDatabase } from "./watch-database.ts";

type Pg = typeof import("pg");

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
  /** Be one of several servers of the database, and refuse one that a server has for itself. */
  readonly fleet?: FleetOptions;
  /** Called each time that the database is back after it was away, with what was begun before in whatever state it was left. */
  readonly onReturn?: () => void;
}

export type FleetOptions = Pick<MembershipOptions, "address" | "onDeclaredDead">;

/**
 * Connects to the database and migrates it. Rejects with `DATABASE_UNAVAILABLE`, and with `ENVIRONMENT_STATE` where it has another server.
 * While the database is away, every call of the storage rejects with `DATABASE_UNAVAILABLE`: the first ones after 5 s at most, the rest at
 * once.
 */
export async function createPostgresStorage(options: PostgresStorageOptions): Promise<Storage> {
  // Only where it is wanted: SQLite does without its memory.
  const { default: pg } = await import("pg");
  const { url, log, fleet } = options;
  const membership = fleet === undefined ? null : new Membership({ ...fleet, log });
  const isExclusive = options.isExclusive ?? true;
  const watch = await watchDatabase(pg, {
    config: clientConfig(pg, url, membership === null ? SERVER_NAME : JOINING_NAME),
    log,
    enter: (client) => membership?.enter(client) ?? (isExclusive ? enterAlone(client) : Promise.resolve()),
    onReturn() {
      membership?.returned();
      options.onReturn?.();
    },
  });
  try {
    await migrateDatabase(pg, url, watch);
    if (membership === null) {
      const config = clientConfig(pg, url, SERVER_NAME);
      return closedWith(createStorage(open(createPool(pg, { ...config, ...UNSYNCED }, watch))), watch);
    }
    membership.lost = watch.lost;
    const number = await membership.join();
    const config = clientConfig(pg, url, memberName(number));
    const made = (client: PoolClient) => membership.assertMember(client);
    const db = open(createPool(pg, { ...config, ...UNSYNCED }, watch, made));
    const outbox = new Outbox(db, number);
    const storage = createStorage(db, createPostgresFleet(db, { number, membership, outbox }));
    return {
      ...storage,
      async close() {
        await outbox.close();
        await storage.close();
        await membership.leave();
        await watch.close();
      },
    };
  } catch (error) {
    await watch.close();
    throw error;
  }
}

/** Nothing of another server, or of a fleet, is under way any more. */
async function enterAlone(client: Client): Promise<void> {
  await lockAlone(client);
  await endFleet(client, `${SERVER_NAME}(-(joining|\\d+))?`);
}

async function migrateDatabase(pg: Pg, url: string, watch: DatabaseWatch): Promise<void> {
  const long = { statementMs: MIGRATION_TIMEOUT_MS, answerMs: MIGRATION_TIMEOUT_MS };
  const migrating = open(createPool(pg, clientConfig(pg, url, JOINING_NAME, long), watch));
  await migrate(migrating).finally(() => migrating.destroy());
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
