import type { Kysely } from "kysely";

/** What templates were made by. Those of before have none, and are made again. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("templates")
    .addColumn("key", "varchar(64)", (column) => column.primaryKey().notNull())
    .addColumn("recipe", "text", (column) => column.notNull())
    .execute();
}
