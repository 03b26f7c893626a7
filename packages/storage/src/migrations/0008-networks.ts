import type { Kysely } from "kysely";

/** What an environment may reach, as JSON. Those of before have no interface but their loopback, and no policy. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("environments").addColumn("network", "text").execute();
}
