import type { Kysely } from "kysely";

/**
 * What admins did with what is another's, as its owner is told. Of a look-in `environment` is set, so that it goes with that; an
 * environment that was handed over has its name alone, and stays as long as the account that had it.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("admin_acts")
    .addColumn("id", "varchar(12)", (column) => column.primaryKey().notNull())
    .addColumn("kind", "varchar(16)", (column) => column.notNull())
    .addColumn("at", "text", (column) => column.notNull())
    .addColumn("owner", "varchar(32)", (column) => column.notNull().references("accounts.id").onDelete("cascade"))
    .addColumn("admin_name", "varchar(64)", (column) => column.notNull())
    .addColumn("environment", "varchar(12)", (column) => column.references("environments.id").onDelete("cascade"))
    .addColumn("environment_name", "varchar(64)", (column) => column.notNull())
    .addColumn("recipient_name", "varchar(64)")
    .execute();
  await db.schema.createIndex("admin_acts_owner").on("admin_acts").column("owner").execute();
  await db.schema.createIndex("admin_acts_environment").on("admin_acts").column("environment").execute();
}
