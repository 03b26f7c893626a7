import { type Kysely, sql } from "kysely";

/** SQLite takes any name of a type, and keeps what is put there as it is. */
const BYTES = sql`bytea`;

/**
 * What servers of a fleet keep for each other: recordings, screens, consoles of machines that ended, and counts of attempts. Recordings
 * outlive their environments, without a way to them, until their chunks have been removed: one statement would take too long for it.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("recordings")
    .addColumn("id", "varchar(12)", (column) => column.primaryKey().notNull())
    .addColumn("environment", "varchar(12)", (column) => column.references("environments.id").onDelete("set null"))
    .addColumn("terminal", "varchar(32)", (column) => column.notNull())
    .addColumn("is_enabled", "integer", (column) => column.notNull())
    .addColumn("started_at", "text", (column) => column.notNull())
    .addColumn("created_unix_ms", "bigint", (column) => column.notNull())
    .addColumn("bytes", "integer", (column) => column.notNull())
    // 64 bits without a sign, which no database has.
    .addColumn("output_offset", "varchar(20)")
    .addColumn("elapsed_ms", "bigint", (column) => column.notNull())
    .addColumn("is_full", "integer", (column) => column.notNull())
    .addUniqueConstraint("recordings_terminal", ["environment", "terminal"])
    .execute();
  await db.schema
    .createTable("recording_chunks")
    .addColumn("recording", "varchar(12)", (column) => column.notNull().references("recordings.id"))
    .addColumn("position", "integer", (column) => column.notNull())
    .addColumn("bytes", BYTES, (column) => column.notNull())
    .addPrimaryKeyConstraint("recording_chunks_key", ["recording", "position"])
    .execute();
  await db.schema
    .createTable("kept_screens")
    .addColumn("environment", "varchar(12)", (column) =>
      column.notNull().references("environments.id").onDelete("cascade"),
    )
    .addColumn("terminal", "varchar(32)", (column) => column.notNull())
    .addColumn("created_unix_ms", "bigint", (column) => column.notNull())
    .addColumn("output_offset", "varchar(20)", (column) => column.notNull())
    .addColumn("bytes", BYTES, (column) => column.notNull())
    .addPrimaryKeyConstraint("kept_screens_key", ["environment", "terminal"])
    .execute();
  await db.schema
    .createTable("consoles")
    .addColumn("environment", "varchar(12)", (column) =>
      column.primaryKey().notNull().references("environments.id").onDelete("cascade"),
    )
    .addColumn("bytes", BYTES, (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("attempts")
    .addColumn("key", "varchar(64)", (column) => column.primaryKey().notNull())
    .addColumn("count", "integer", (column) => column.notNull())
    .addColumn("ends_at", "bigint", (column) => column.notNull())
    .execute();
  await db.schema.createIndex("attempts_ends_at").on("attempts").column("ends_at").execute();
}
