import type { Kysely } from "kysely";

/** Which agents are believed that are reached over a network: the fingerprints of their certificates. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("machine_pins")
    .addColumn("machine", "varchar(16)", (column) => column.primaryKey().notNull())
    .addColumn("fingerprint", "varchar(64)", (column) => column.notNull())
    .execute();
}
