import { closeSync, openSync } from "node:fs";
import type { Storage } from "@microterm/core";
import { Kysely } from "kysely";
import { migrate } from "../migrate.ts";
import type { Schema } from "../schema.ts";
import { createStorage } from "../storage.ts";
import { createSqliteDialect } from "./sqlite-dialect.ts";

export interface SqliteStorageOptions {
  /** The database's file; its folder exists. `-wal` and `-shm` files lie beside it while it is open. */
  readonly path: string;
}

/** Opens the database, makes it where it is missing, and migrates it. */
export async function createSqliteStorage({ path }: SqliteStorageOptions): Promise<Storage> {
  // It holds hashes of secrets. SQLite gives the files beside it the mode of the database, so that comes first.
  closeSync(openSync(path, "a", 0o600));
  const { dialect, keepReserve } = createSqliteDialect(path);
  const db = new Kysely<Schema>({ dialect });
  try {
    await migrate(db);
  } catch (error) {
    await db.destroy();
    throw error;
  }
  const storage = createStorage(db);
  return {
    ...storage,
    audit: {
      ...storage.audit,
      async append(row) {
        keepReserve();
        await storage.audit.append(row);
      },
    },
  };
}
