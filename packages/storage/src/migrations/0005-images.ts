import type { Kysely } from "kysely";

/**
 * The image that an environment was made with. Nothing here knows which images the host has: those of before have none, and
 * get theirs when the server next looks at the host.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("environments").addColumn("image", "varchar(64)").execute();
}
