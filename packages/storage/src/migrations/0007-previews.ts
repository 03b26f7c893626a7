import type { Kysely } from "kysely";

/** What opens previews: cookies of sessions, and shared links. They go with their environment, and with their session. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("preview_grants")
    .addColumn("hash", "varchar(64)", (column) => column.primaryKey().notNull())
    .addColumn("id", "varchar(12)", (column) => column.notNull().unique())
    .addColumn("kind", "varchar(16)", (column) => column.notNull())
    .addColumn("environment", "varchar(12)", (column) =>
      column.notNull().references("environments.id").onDelete("cascade"),
    )
    .addColumn("port", "integer", (column) => column.notNull())
    .addColumn("credential", "varchar(64)", (column) => column.references("credentials.hash").onDelete("cascade"))
    .addColumn("created_at", "text", (column) => column.notNull())
    .addColumn("expires_at", "text", (column) => column.notNull())
    .execute();
  await db.schema.createIndex("preview_grants_environment").on("preview_grants").column("environment").execute();
  await db.schema.createIndex("preview_grants_credential").on("preview_grants").column("credential").execute();
}
