import { PlatformError } from "@microterm/protocol";
import { type Kysely, sql, type Transaction } from "kysely";
import { migrate, NEWEST_MIGRATION } from "../migrate.ts";
import type { Schema } from "../schema.ts";
import { type DatabaseLocation, withDatabase } from "./database-location.ts";
import { layoutAfter, type TableLayout } from "./layout.ts";
import { Head, Line, parseLine, type Row } from "./lines.ts";

/** SQLite takes 32,766 parameters in a statement. */
const ROWS_AT_ONCE = 100;

export interface ImportOptions {
  /** Begin again what was killed: what the database has of microterm's is removed first. Otherwise one with rows is refused. */
  readonly replaces: boolean;
}

/** Rejects with `ENVIRONMENT_STATE` where the database has rows, and changes nothing. */
export const assertEmptyDatabase = (location: DatabaseLocation): Promise<void> =>
  withDatabase(location, async (db) => assertEmpty(db, await existingTables(db, location)));

/**
 * Fills a database with what {@link exportDatabase} has written, and brings it to today's schema. No machine is left of the environments
 * in it: those that ran, or were paused, come back stopped. Rejects with `ENVIRONMENT_STATE` where the database has rows, and with
 * `BAD_REQUEST` for lines that none has written; whatever it had made by then has no rows.
 */
export async function importDatabase(
  location: DatabaseLocation,
  lines: AsyncIterable<string>,
  { replaces }: ImportOptions,
): Promise<void> {
  const input = lines[Symbol.asyncIterator]();
  const { migration } = parseLine(Head, await nextLine(input));
  const layout = await layoutAfter(migration).catch((cause: unknown) => {
    throw new PlatformError("UNSUPPORTED", `the backup was made by a newer microterm (${migration})`, { cause });
  });
  await withDatabase(location, async (db) => {
    const existing = await existingTables(db, location);
    if (!replaces) await assertEmpty(db, existing);
    for (const { name } of existing) await db.schema.dropTable(name).execute();
    await migrate(db, migration);
    await db.transaction().execute(async (transaction) => {
      await insertAll(transaction, layout, input);
      if (location.kind === "postgresql") await advanceSequences(transaction, layout);
    });
    await migrate(db);
    await forgetMachines(db as Kysely<Schema>);
  });
}

async function nextLine(input: AsyncIterator<string>): Promise<string> {
  const { value, done } = await input.next();
  if (done === true) throw new PlatformError("BAD_REQUEST", "the backup's database ends in the middle");
  return value;
}

type ExistingTable = Pick<TableLayout, "name" | "hasFirstRows">;

/** Of this version of microterm, those that refer to others first. */
async function existingTables(db: Kysely<unknown>, { kind }: DatabaseLocation): Promise<readonly ExistingTable[]> {
  const found =
    kind === "sqlite"
      ? sql<{ name: string }>`select name from sqlite_schema where type = 'table'`
      : sql<{
          name: string;
        }>`select table_name as name from information_schema.tables where table_schema = current_schema()`;
  const names = new Set((await found.execute(db)).rows.map(({ name }) => name));
  const ours = [...(await layoutAfter(NEWEST_MIGRATION))].reverse();
  const kyselys = ["kysely_migration", "kysely_migration_lock"].map((name) => ({ name, hasFirstRows: true }));
  return [...ours, ...kyselys].filter(({ name }) => names.has(name));
}

async function assertEmpty(db: Kysely<unknown>, tables: readonly ExistingTable[]): Promise<void> {
  for (const { name, hasFirstRows } of tables) {
    if (hasFirstRows) continue;
    const { rows } = await sql`select 1 from ${sql.table(name)} limit 1`.execute(db);
    if (rows.length === 0) continue;
    throw new PlatformError("ENVIRONMENT_STATE", `the database is in use already: there are rows in its table ${name}`);
  }
}

async function insertAll(
  db: Transaction<unknown>,
  layout: readonly TableLayout[],
  input: AsyncIterator<string>,
): Promise<void> {
  const tables = new Map(layout.map((table) => [table.name, table]));
  let batch: Row[] = [];
  const write = async (): Promise<void> => {
    const [first] = batch;
    if (first !== undefined) {
      const columns = Object.keys(first.row);
      const values = batch.map(({ row }) => sql`(${sql.join(columns.map((column) => row[column]))})`);
      const { hasFirstRows, primaryKey } = tables.get(first.table) as TableLayout;
      await sql`insert into ${sql.table(first.table)} (${refs(columns)}) values ${sql.join(values)}
        ${hasFirstRows ? overwriting(primaryKey, columns) : sql``}`.execute(db);
    }
    batch = [];
  };
  for (let rows = 0; ; rows++) {
    const line = parseLine(Line, await nextLine(input));
    if ("rows" in line) {
      await write();
      if (line.rows === rows && (await input.next()).done === true) return;
      throw new PlatformError("BAD_REQUEST", "the backup's database has not as many rows as it says");
    }
    const table = tables.get(line.table);
    const names = Object.keys(line.row);
    if (table === undefined || names.length !== table.columns.size || !names.every((name) => table.columns.has(name))) {
      throw new PlatformError("BAD_REQUEST", "the backup's database has a row of no table that there was");
    }
    const [first] = batch;
    if (first !== undefined && (first.table !== line.table || batch.length >= ROWS_AT_ONCE)) await write();
    batch.push(line);
  }
}

const refs = (columns: readonly string[]) => sql.join(columns.map((column) => sql.ref(column)));

/** What a migration has put there gives way to what there was. */
function overwriting(primaryKey: readonly string[], columns: readonly string[]) {
  const rest = columns.filter((column) => !primaryKey.includes(column));
  const changes = rest.map((column) => sql`${sql.ref(column)} = ${sql.ref(`excluded.${column}`)}`);
  return sql`on conflict (${refs(primaryKey)}) do update set ${sql.join(changes)}`;
}

/** Rows that came with their numbers have not taken them from where the next one is taken. */
async function advanceSequences(db: Transaction<unknown>, layout: readonly TableLayout[]): Promise<void> {
  for (const { name, columns } of layout) {
    for (const column of columns) {
      const { rows } = await sql<{
        name: string | null;
      }>`select pg_get_serial_sequence(${name}, ${column}) as name`.execute(db);
      const sequence = rows[0]?.name;
      if (sequence == null) continue;
      await sql`select setval(${sequence}::text::regclass, greatest((select max(${sql.ref(column)}) from ${sql.table(name)}), 1))`.execute(
        db,
      );
    }
  }
}

async function forgetMachines(db: Kysely<Schema>): Promise<void> {
  await db
    .updateTable("environments")
    .set({ state: "stopped", reason: "restored from a backup", running_since: null })
    .where("state", "in", ["creating", "running", "paused"])
    .execute();
  await db
    .updateTable("environments")
    .set({ operation: null, step: null, interruptions: 0, machine_id: null, save_id: null })
    .where("state", "!=", "destroying")
    .execute();
}
