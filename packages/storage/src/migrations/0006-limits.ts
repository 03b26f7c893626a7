import type { Kysely } from "kysely";

const COLUMNS = ["cpu_quota_percent", "cpu_weight", "disk_mib_per_second", "disk_operations_per_second"] as const;

/** What an environment may use besides its size, where its owner has said so. Null, as in those of before: what goes with its size. */
export async function up(db: Kysely<unknown>): Promise<void> {
  // One at a time: SQLite adds one column in a statement.
  for (const column of COLUMNS) await db.schema.alterTable("environments").addColumn(column, "integer").execute();
}
