import type { Kysely } from "kysely";

/** Owners, environments and their receipts, credentials, idempotency keys. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("owners")
    .addColumn("id", "varchar(32)", (column) => column.primaryKey().notNull())
    .addColumn("created_at", "text", (column) => column.notNull())
    .execute();

  await db.schema
    .createTable("environments")
    .addColumn("id", "varchar(12)", (column) => column.primaryKey().notNull())
    .addColumn("name", "varchar(32)", (column) => column.notNull())
    .addColumn("owner", "varchar(32)", (column) => column.notNull().references("owners.id"))
    .addColumn("state", "varchar(16)", (column) => column.notNull())
    .addColumn("reason", "text")
    .addColumn("driver", "varchar(32)", (column) => column.notNull())
    .addColumn("memory_mib", "integer", (column) => column.notNull())
    .addColumn("cpus", "integer", (column) => column.notNull())
    .addColumn("disk_mib", "integer", (column) => column.notNull())
    .addColumn("machine_id", "varchar(16)", (column) => column.unique())
    .addColumn("created_at", "text", (column) => column.notNull())
    .addUniqueConstraint("environments_owner_name", ["owner", "name"])
    .execute();

  await db.schema
    .createTable("receipts")
    .addColumn("environment", "varchar(12)", (column) => column.primaryKey().notNull())
    .addColumn("owner", "varchar(32)", (column) => column.notNull().references("owners.id"))
    .addColumn("name", "varchar(32)", (column) => column.notNull())
    .addColumn("destroyed_at", "text", (column) => column.notNull())
    .addColumn("body", "text", (column) => column.notNull())
    .execute();
  await db.schema.createIndex("receipts_owner_name").on("receipts").columns(["owner", "name"]).execute();
  await db.schema.createIndex("receipts_destroyed_at").on("receipts").column("destroyed_at").execute();

  await db.schema
    .createTable("credentials")
    .addColumn("hash", "varchar(64)", (column) => column.primaryKey().notNull())
    .addColumn("kind", "varchar(16)", (column) => column.notNull())
    .addColumn("owner", "varchar(32)", (column) => column.notNull().references("owners.id"))
    .addColumn("created_at", "text", (column) => column.notNull())
    .addColumn("expires_at", "text")
    .execute();

  await db.schema
    .createTable("idempotency")
    .addColumn("owner", "varchar(32)", (column) => column.notNull().references("owners.id"))
    .addColumn("key", "varchar(128)", (column) => column.notNull())
    .addColumn("fingerprint", "varchar(128)", (column) => column.notNull())
    .addColumn("claimed_at", "text", (column) => column.notNull())
    .addColumn("status", "integer")
    .addColumn("body", "text")
    .addPrimaryKeyConstraint("idempotency_owner_key", ["owner", "key"])
    .execute();
}
