import { randomBytes } from "node:crypto";
import { type Kysely, sql } from "kysely";

/** Owners become accounts; the first one, which is the data folder's, the admin. Credentials get what a person tells them apart by. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("owners").renameTo("accounts").execute();
  await db.schema.alterTable("accounts").addColumn("name", "varchar(32)").execute();
  await db.schema
    .alterTable("accounts")
    .addColumn("role", "varchar(16)", (column) => column.notNull().defaultTo("member"))
    .execute();
  for (const column of ["password_hash", "disabled_at", "stops_at", "last_seen_at"]) {
    await db.schema.alterTable("accounts").addColumn(column, "text").execute();
  }
  await sql`update accounts set name = id`.execute(db);
  await sql`update accounts set name = 'admin', role = 'admin'
    where id = (select id from accounts order by created_at, id limit 1)`.execute(db);
  await db.schema.createIndex("accounts_name").unique().on("accounts").column("name").execute();
  await extendCredentials(db);
  await db.schema
    .createTable("invitations")
    .addColumn("hash", "varchar(64)", (column) => column.primaryKey().notNull())
    .addColumn("id", "varchar(12)", (column) => column.notNull().unique())
    .addColumn("role", "varchar(16)", (column) => column.notNull())
    .addColumn("uses_left", "integer", (column) => column.notNull())
    .addColumn("created_by", "varchar(32)", (column) => column.notNull().references("accounts.id"))
    .addColumn("created_at", "text", (column) => column.notNull())
    .addColumn("expires_at", "text", (column) => column.notNull())
    .execute();
}

async function extendCredentials(db: Kysely<unknown>): Promise<void> {
  for (const column of ["id", "name", "scopes", "device", "address", "last_used_at"]) {
    await db.schema.alterTable("credentials").addColumn(column, "text").execute();
  }
  const { rows } = await sql<{ hash: string }>`select hash from credentials`.execute(db);
  for (const { hash } of rows) {
    // Of hexadecimal digits, 12 as all ids.
    await sql`update credentials set id = ${randomBytes(6).toString("hex")} where hash = ${hash}`.execute(db);
  }
  await sql`update credentials set name = 'made by an earlier version' where kind = 'token'`.execute(db);
  await db.schema.createIndex("credentials_id").unique().on("credentials").column("id").execute();
  await db.schema.createIndex("credentials_owner").on("credentials").column("owner").execute();
}
