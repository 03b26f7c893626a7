import type { Kysely } from "kysely";

/** Networks that environments share, and which one an environment is in. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("networks")
    .addColumn("id", "varchar(12)", (column) => column.primaryKey().notNull())
    .addColumn("owner", "varchar(32)", (column) => column.notNull().references("owners.id"))
    .addColumn("name", "varchar(32)", (column) => column.notNull())
    .addColumn("created_at", "text", (column) => column.notNull())
    .addUniqueConstraint("networks_owner_name", ["owner", "name"])
    .execute();
  await db.schema
    .alterTable("environments")
    .addColumn("shared_network", "varchar(12)", (column) => column.references("networks.id"))
    .execute();
}
