import { type Kysely, SqliteAdapter, sql } from "kysely";

/**
 * The audit log. It is append-only by triggers, so that a mistake of ours cannot change it: an entry is never updated, and deleted only where
 * it is older than the time that retention has written into `audit_retention`, which has one row, or none yet. A row, since SQLite has no
 * settings of a session.
 * Nothing in it refers to other tables: it outlives what it tells of.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  const isSqlite = db.getExecutor().adapter instanceof SqliteAdapter;
  await db.schema
    .createTable("audit")
    .addColumn("id", "varchar(18)", (column) => column.primaryKey().notNull())
    .addColumn("at", "text", (column) => column.notNull())
    .addColumn("action", "varchar(32)", (column) => column.notNull())
    .addColumn("outcome", "varchar(8)", (column) => column.notNull())
    .addColumn("code", "varchar(64)")
    .addColumn("account", "varchar(32)")
    .addColumn("account_name", "varchar(32)")
    .addColumn("via", "varchar(16)", (column) => column.notNull())
    .addColumn("credential", "varchar(64)")
    .addColumn("address", "varchar(64)")
    .addColumn("environment", "varchar(12)")
    .addColumn("environment_name", "varchar(32)")
    .addColumn("target", "varchar(64)")
    .addColumn("beginning", "varchar(18)")
    .addColumn("count", "integer", (column) => column.notNull())
    .addColumn("detail", "text", (column) => column.notNull())
    // Without a row's number that `insert or replace` could name.
    .modifyEnd(isSqlite ? sql`without rowid` : sql``)
    .execute();
  for (const column of ["account", "environment", "action"]) {
    await db.schema.createIndex(`audit_${column}`).on("audit").columns([column, "id"]).execute();
  }
  await db.schema
    .createTable("audit_retention")
    .addColumn("one", "integer", (column) => column.primaryKey().notNull().check(sql`one = 1`))
    .addColumn("deletable_before", "text", (column) => column.notNull())
    .execute();
  for (const statement of isSqlite ? SQLITE : POSTGRES) await sql.raw(statement).execute(db);
}

/** The third: `insert or replace` deletes without asking the trigger of deletes. */
const SQLITE = [
  `create trigger audit_no_update before update on audit
   begin select raise(abort, 'the audit log is append-only'); end`,
  `create trigger audit_no_delete before delete on audit
   when old.at >= coalesce((select deletable_before from audit_retention), '')
   begin select raise(abort, 'the audit log is append-only'); end`,
  `create trigger audit_no_replace before insert on audit
   when exists (select 1 from audit where id = new.id)
   begin select raise(abort, 'the audit log is append-only'); end`,
  `create trigger audit_retention_stays before delete on audit_retention
   begin select raise(abort, 'the audit log is append-only'); end`,
] as const;

/** Functions stay where their tables are dropped. */
const POSTGRES = [
  `create or replace function audit_refuse() returns trigger language plpgsql as $$
   begin raise exception 'the audit log is append-only'; end $$`,
  `create or replace function audit_refuse_recent() returns trigger language plpgsql as $$
   begin
     if old.at >= coalesce((select deletable_before from audit_retention), '') then raise exception 'the audit log is append-only'; end if;
     return old;
   end $$`,
  "create trigger audit_no_update before update on audit for each row execute function audit_refuse()",
  "create trigger audit_no_delete before delete on audit for each row execute function audit_refuse_recent()",
  "create trigger audit_no_truncate before truncate on audit for each statement execute function audit_refuse()",
  "create trigger audit_retention_stays before delete on audit_retention for each row execute function audit_refuse()",
  `create trigger audit_retention_no_truncate before truncate on audit_retention
   for each statement execute function audit_refuse()`,
] as const;
