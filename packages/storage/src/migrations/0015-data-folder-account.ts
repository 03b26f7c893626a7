import { type Kysely, sql } from "kysely";

/** Which account is the data folder's stands in its row: that of the oldest one was the account of a host whose clock was late. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable("accounts")
    .addColumn("is_data_folder", "integer", (column) => column.notNull().defaultTo(0))
    .execute();
  await sql`update accounts set is_data_folder = 1
    where id = (select id from accounts order by created_at, id limit 1)`.execute(db);
  await sql`create unique index accounts_data_folder on accounts (is_data_folder) where is_data_folder = 1`.execute(db);
}
