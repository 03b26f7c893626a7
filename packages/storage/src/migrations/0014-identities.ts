import type { Kysely } from "kysely";

/** Who people are at the provider that they sign in at: its issuer and their subject there. They go with their account. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("identities")
    .addColumn("id", "varchar(12)", (column) => column.primaryKey().notNull())
    .addColumn("issuer", "varchar(512)", (column) => column.notNull())
    .addColumn("subject", "varchar(255)", (column) => column.notNull())
    .addColumn("account", "varchar(32)", (column) => column.notNull().references("accounts.id").onDelete("cascade"))
    .addColumn("name", "varchar(256)")
    .addColumn("created_at", "text", (column) => column.notNull())
    .addColumn("last_used_at", "text")
    .addUniqueConstraint("identities_subject", ["issuer", "subject"])
    .execute();
  await db.schema.createIndex("identities_account").on("identities").column("account").execute();
}
