import { type ColumnDefinitionBuilder, type CreateTableBuilder, type Kysely, sql } from "kysely";

const NAMES = ["environments", "running", "memory_mib", "cpus", "disk_mib", "recordings_mib", "hours_per_day"] as const;

/** For a small host that a few people share. */
const MEMBER = [10, 5, 4096, 8, 40_960, 1024, null] as const;

function withLimits(table: CreateTableBuilder<string>): CreateTableBuilder<string> {
  return NAMES.reduce((built, name) => built.addColumn(name, "integer") as typeof built, table);
}

/**
 * What each role may have, and what each account may that has a quota of its own; how long an account's environments have run in each
 * day, and since when those that run now have not been counted.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  const key = (column: ColumnDefinitionBuilder) => column.primaryKey().notNull();
  await withLimits(db.schema.createTable("role_quotas").addColumn("role", "varchar(16)", key)).execute();
  await withLimits(
    db.schema
      .createTable("account_quotas")
      .addColumn("account", "varchar(32)", (column) => key(column).references("accounts.id").onDelete("cascade")),
  ).execute();
  for (const [role, limits] of [
    ["admin", NAMES.map(() => null)],
    ["member", MEMBER],
    ["visitor", NAMES.map(() => 0)],
  ] as const) {
    await sql`insert into role_quotas values (${sql.join([role, ...limits])})`.execute(db);
  }
  await db.schema
    .createTable("running_days")
    .addColumn("account", "varchar(32)", (column) => column.notNull().references("accounts.id").onDelete("cascade"))
    .addColumn("day", "varchar(10)", (column) => column.notNull())
    .addColumn("seconds", "integer", (column) => column.notNull())
    .addPrimaryKeyConstraint("running_days_account_day", ["account", "day"])
    .execute();
  await db.schema.alterTable("environments").addColumn("running_since", "text").execute();
}
