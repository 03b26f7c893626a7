import { PlatformError } from "@microterm/protocol";
import { Kysely, sql } from "kysely";
import { isKnownMigration, migrate } from "../migrate.ts";
import { createSqliteDialect } from "../sqlite/sqlite-dialect.ts";

/** A table as a migration has left it. */
export interface TableLayout {
  readonly name: string;
  readonly columns: ReadonlySet<string>;
  readonly primaryKey: readonly string[];
  /** Migrations have put rows into it, as defaults are. */
  readonly hasFirstRows: boolean;
}

interface Column {
  readonly name: string;
  /** From 1; 0: not of the primary key. */
  readonly pk: number;
}

/**
 * All tables after a migration, each behind those that it refers to. They are the same on every database: one that is made in memory for
 * this is asked, so that what a later migration adds is there by itself.
 */
export async function layoutAfter(migration: string): Promise<readonly TableLayout[]> {
  if (!isKnownMigration(migration)) {
    const message = `the database is of another version of microterm (${migration}), which this one does not know`;
    throw new PlatformError("UNSUPPORTED", message);
  }
  const db = new Kysely<unknown>({ dialect: createSqliteDialect(":memory:").dialect });
  try {
    await migrate(db, migration);
    const { rows } = await sql<{ name: string }>`select name from sqlite_schema where type = 'table'
      and name not like 'kysely_%' and name not like 'sqlite_%' order by name`.execute(db);
    const tables = new Map<string, TableLayout>();
    const references = new Map<string, Set<string>>();
    for (const { name } of rows) {
      const columns = (await sql<Column>`select name, pk from pragma_table_info(${name})`.execute(db)).rows;
      const keys = columns.filter(({ pk }) => pk > 0).sort((one, other) => one.pk - other.pk);
      if (keys.length === 0) throw new Error(`the table ${name} has no primary key`);
      tables.set(name, {
        name,
        columns: new Set(columns.map((column) => column.name)),
        primaryKey: keys.map((column) => column.name),
        hasFirstRows: (await sql`select 1 from ${sql.table(name)} limit 1`.execute(db)).rows.length > 0,
      });
      const found = await sql<{ table: string }>`select "table" from pragma_foreign_key_list(${name})`.execute(db);
      references.set(name, new Set(found.rows.map(({ table }) => table).filter((table) => table !== name)));
    }
    return inOrder(references).map((name) => tables.get(name) as TableLayout);
  } finally {
    await db.destroy();
  }
}

function inOrder(references: Map<string, Set<string>>): readonly string[] {
  const order: string[] = [];
  while (references.size > 0) {
    const next = [...references].find(([, others]) => [...others].every((other) => order.includes(other)));
    if (next === undefined) throw new Error(`these tables refer to each other: ${[...references.keys()].join(", ")}`);
    order.push(next[0]);
    references.delete(next[0]);
  }
  return order;
}
