import type { Kysely } from "kysely";

/** The servers of a fleet, which of them holds an environment, and whose machines wait to be claimed. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("servers")
    .addColumn("number", "integer", (column) => column.primaryKey().notNull())
    .addColumn("address", "varchar(300)", (column) => column.notNull())
    .addColumn("seen_at", "bigint", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("pool_machines")
    .addColumn("machine", "varchar(16)", (column) => column.primaryKey().notNull())
    .addColumn("server", "integer", (column) => column.notNull())
    .execute();
  await db.schema.alterTable("environments").addColumn("server", "integer").execute();
  await db.schema
    .alterTable("environments")
    .addColumn("epoch", "integer", (column) => column.notNull().defaultTo(0))
    .execute();
}
