import type { Kysely } from "kysely";

/** Terminals that are shared, and who was let in. They go with their environment, and with the accounts that they are of. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("shares")
    .addColumn("id", "varchar(12)", (column) => column.primaryKey().notNull())
    .addColumn("kind", "varchar(16)", (column) => column.notNull())
    .addColumn("code_hash", "varchar(64)", (column) => column.unique())
    .addColumn("environment", "varchar(12)", (column) =>
      column.notNull().references("environments.id").onDelete("cascade"),
    )
    .addColumn("terminal", "varchar(32)", (column) => column.notNull())
    .addColumn("role", "varchar(16)", (column) => column.notNull())
    .addColumn("created_by", "varchar(32)", (column) => column.notNull().references("accounts.id").onDelete("cascade"))
    .addColumn("created_at", "text", (column) => column.notNull())
    .addColumn("expires_at", "text", (column) => column.notNull())
    .addColumn("uses_left", "integer")
    .addColumn("without_account", "integer", (column) => column.notNull())
    .addColumn("anonymous_ended_at", "text")
    .addColumn("scrollback", "integer", (column) => column.notNull())
    .execute();
  await db.schema.createIndex("shares_environment").on("shares").column("environment").execute();
  await db.schema.createIndex("shares_created_by").on("shares").column("created_by").execute();
  await db.schema
    .createTable("share_grants")
    .addColumn("id", "varchar(12)", (column) => column.primaryKey().notNull())
    .addColumn("share", "varchar(12)", (column) => column.notNull().references("shares.id").onDelete("cascade"))
    .addColumn("account", "varchar(32)", (column) => column.references("accounts.id").onDelete("cascade"))
    .addColumn("browser", "varchar(64)")
    .addColumn("name", "varchar(64)")
    .addColumn("granted", "varchar(16)", (column) => column.notNull())
    .addColumn("asked", "varchar(16)", (column) => column.notNull())
    .addColumn("created_at", "text", (column) => column.notNull())
    .addColumn("left_at", "text")
    .addColumn("removed_at", "text")
    // Nobody has two by one share.
    .addUniqueConstraint("share_grants_account", ["share", "account"])
    .addUniqueConstraint("share_grants_browser", ["share", "browser"])
    .execute();
  await db.schema.createIndex("share_grants_by_account").on("share_grants").column("account").execute();
  await db.schema.createIndex("share_grants_by_browser").on("share_grants").column("browser").execute();
}
