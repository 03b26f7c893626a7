import { type Kysely, sql } from "kysely";

/**
 * Sizes, disks that are older than their environments, saved memory, times at which an environment ends. What was there
 * before has its disk under its own id, and whichever size its three numbers are.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  const add = (name: string, type: "text" | "integer" | "varchar(16)") =>
    db.schema.alterTable("environments").addColumn(name, type).execute();
  await add("size", "varchar(16)");
  await add("save_id", "varchar(16)");
  await add("idle_timeout_seconds", "integer");
  await add("expires_at", "text");
  await db.schema
    .alterTable("environments")
    .addColumn("disk_id", "varchar(16)", (column) => column.notNull().defaultTo(""))
    .execute();
  await sql`update environments set disk_id = id`.execute(db);
  // As they were when this was written: a migration does not follow what comes later.
  const sizes = [
    ["small", 256, 1],
    ["medium", 512, 1],
    ["large", 1024, 2],
  ] as const;
  for (const [size, memoryMib, cpus] of sizes) {
    await sql`update environments set size = ${size}
      where memory_mib = ${memoryMib} and cpus = ${cpus} and disk_mib = 2048`.execute(db);
  }
}
