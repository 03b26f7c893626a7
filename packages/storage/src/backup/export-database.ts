import { PlatformError } from "@microterm/protocol";
import { type Kysely, sql, type Transaction } from "kysely";
import { type DatabaseLocation, withDatabase } from "./database-location.ts";
import { layoutAfter, type TableLayout } from "./layout.ts";
import { FORMAT, formatRow } from "./lines.ts";

/** Some have chunks of 64 KiB. */
const ROWS_AT_ONCE = 250;

/**
 * Writes all rows of all tables as they are at one moment, a line each, for {@link importDatabase} of any database. A server may work on
 * it meanwhile. Rejects with `UNSUPPORTED` where another version of microterm has made it.
 */
export function exportDatabase(location: DatabaseLocation, write: (line: string) => Promise<void>): Promise<void> {
  return withDatabase(location, (db) =>
    snapshotOf(db, location).execute(async (snapshot) => {
      const migration = await lastMigration(snapshot);
      await write(JSON.stringify({ format: FORMAT, migration }));
      let rows = 0;
      for (const table of await layoutAfter(migration)) {
        for await (const row of rowsOf(snapshot, table)) {
          await write(formatRow(table.name, row));
          rows++;
        }
      }
      await write(JSON.stringify({ rows }));
    }),
  );
}

/** SQLite's transactions see one moment by themselves. */
function snapshotOf(db: Kysely<unknown>, { kind }: DatabaseLocation) {
  const transaction = db.transaction();
  return kind === "sqlite" ? transaction : transaction.setIsolationLevel("repeatable read").setAccessMode("read only");
}

async function lastMigration(db: Transaction<unknown>): Promise<string> {
  const last = sql<{ name: string }>`select name from kysely_migration order by name desc limit 1`;
  const { rows } = await last.execute(db).catch((cause: unknown) => {
    throw new PlatformError("NOT_FOUND", "there is no database of microterm", { cause });
  });
  const name = rows[0]?.name;
  if (name === undefined) throw new PlatformError("NOT_FOUND", "the database has no tables of microterm");
  return name;
}

async function* rowsOf(
  db: Transaction<unknown>,
  { name, primaryKey }: TableLayout,
): AsyncGenerator<Readonly<Record<string, unknown>>> {
  const keys = sql.join(primaryKey.map((column) => sql.ref(column)));
  let after = sql``;
  for (;;) {
    const query = sql<
      Record<string, unknown>
    >`select * from ${sql.table(name)} ${after} order by ${keys} limit ${sql.lit(ROWS_AT_ONCE)}`;
    const { rows } = await query.execute(db);
    yield* rows;
    const last = rows.at(-1);
    if (rows.length < ROWS_AT_ONCE || last === undefined) return;
    after = sql`where (${keys}) > (${sql.join(primaryKey.map((column) => last[column]))})`;
  }
}
