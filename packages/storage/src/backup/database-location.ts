import { closeSync, openSync } from "node:fs";
import { Kysely, PostgresDialect } from "kysely";
import { clientConfig, createPool } from "../postgres/postgres-pool.ts";
import { createSqliteDialect } from "../sqlite/sqlite-dialect.ts";

/** A database that no storage is opened on. */
export type DatabaseLocation =
  | { readonly kind: "sqlite"; readonly path: string }
  | { readonly kind: "postgresql"; readonly url: string };

/** All of a database is read, or written, in one statement after another. */
const STATEMENT_MS = 60 * 60_000;

/** Opens a database as it is, whatever schema it has. */
export async function withDatabase<T>(
  location: DatabaseLocation,
  act: (db: Kysely<unknown>) => Promise<T>,
): Promise<T> {
  const db = new Kysely<unknown>({ dialect: await dialectOf(location) });
  try {
    return await act(db);
  } finally {
    await db.destroy();
  }
}

async function dialectOf(location: DatabaseLocation) {
  if (location.kind === "sqlite") {
    closeSync(openSync(location.path, "a", 0o600));
    return createSqliteDialect(location.path).dialect;
  }
  const { default: pg } = await import("pg");
  const patience = { statementMs: STATEMENT_MS, answerMs: STATEMENT_MS };
  // A server that starts meanwhile ends connections of its own name.
  const config = clientConfig(pg, location.url, "microterm-backup", patience);
  return new PostgresDialect({ pool: createPool(pg, config, { assertAvailable() {}, returns: () => 0, lost() {} }) });
}
