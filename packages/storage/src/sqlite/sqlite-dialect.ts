import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { PlatformError } from "@microterm/protocol";
import { type Dialect, SqliteAdapter, type SqliteDatabase, SqliteDialect } from "kysely";

/** Longest wait for another process's write, ms. The server is alone on its database; a backup or a shell may not be. */
const BUSY_TIMEOUT_MS = 5_000;
/** Prepared statements kept. The repositories' queries are a few dozen. */
const STATEMENT_CACHE = 100;

/** SQLITE_FULL (https://www.sqlite.org/rescode.html): the file system has no space for a page. */
const FULL = 13;
/**
 * Space that database and log hold without using it, bytes. On a host without any, removing an environment is how
 * there comes to be some, and that has to be written down.
 */
const RESERVE_BYTES = 1536 * 1024;
/** Free pages of 4 KiB below which it is filled again: what grows with use must not eat it up. */
const LEAST_RESERVE_PAGES = 256;
/** Pages of 4 KiB after which the log is written back to the database and restarted: before it outgrows its reserve. */
const CHECKPOINT_PAGES = 200;

/**
 * Kysely's SQLite dialect over Node's own `node:sqlite`, which has no native module to build.
 *
 * `synchronous=NORMAL` with a write-ahead log: a commit is in the kernel's hands when it returns, so it survives
 * `kill -9` of this process at any point. Only a crash of the host itself can lose the last commits (never the
 * database's consistency), and no machine survives that either; in return no commit waits for a disk.
 */
export function createSqliteDialect(path: string): SqliteParts {
  let opened: DatabaseSync | null = null;
  const dialect = new MicrotermDialect({
    database: async () => {
      opened = openDatabase(path);
      return forKysely(opened);
    },
  });
  return {
    dialect,
    keepReserve() {
      // Another's transaction is no place for it: that one's end decides.
      if (opened === null || opened.isTransaction || freePages(opened) >= LEAST_RESERVE_PAGES) return;
      const database = opened;
      explainFullDisk(() => reserve(database));
    },
  };
}

interface SqliteParts {
  readonly dialect: Dialect;
  /**
   * Before whatever may be written without an end: has the reserve filled again. Throws `HOST_OUT_OF_DISK` where there is no space for that, so
   * that what is left of it is for what makes space.
   */
  keepReserve(): void;
}

class MicrotermDialect extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new TransactionalAdapter();
  }
}

/** SQLite does change schemas in transactions: migrations that are killed, or find no space, have changed nothing. */
class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { enableForeignKeyConstraints: true, timeout: BUSY_TIMEOUT_MS });
  try {
    database.exec("pragma journal_mode = wal; pragma synchronous = normal;");
    database.exec(`pragma wal_autocheckpoint = ${CHECKPOINT_PAGES};`);
    reserveIfPossible(database);
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}

function forKysely(database: DatabaseSync): SqliteDatabase {
  const statements = new Map<string, ReturnType<SqliteDatabase["prepare"]>>();
  return {
    close: () => database.close(),
    prepare(sql) {
      const cached = statements.get(sql);
      if (cached !== undefined) return cached;
      const statement = database.prepare(sql);
      const prepared = {
        // A statement that yields columns is read; any other is run.
        reader: statement.columns().length > 0,
        all: (parameters: readonly unknown[]) =>
          explainFullDisk(() => statement.all(...(parameters as SQLInputValue[]))),
        run: (parameters: readonly unknown[]) => {
          // After some errors, such as a full disk, SQLite has rolled back by itself (https://www.sqlite.org/lang_transaction.html).
          if (sql === "rollback" && !database.isTransaction) return NOTHING_CHANGED;
          return explainFullDisk(() => statement.run(...(parameters as SQLInputValue[])));
        },
        iterate: (parameters: readonly unknown[]) => statement.iterate(...(parameters as SQLInputValue[])),
      };
      // The schema changes under a cached statement only in migrations, and SQLite prepares it again by itself then.
      if (statements.size < STATEMENT_CACHE) statements.set(sql, prepared);
      return prepared;
    },
  };
}

const NOTHING_CHANGED = { changes: 0, lastInsertRowid: 0 } as const;

/** A server that starts on a full disk can still show and stop what there is. */
function reserveIfPossible(database: DatabaseSync): void {
  try {
    reserve(database);
  } catch (error) {
    if (!isFull(error)) throw error;
  }
}

/** Fills the log and the database's free pages, so that both files have them from there on. */
function reserve(database: DatabaseSync): void {
  database.exec("create table if not exists reserve (bytes blob)");
  database.exec(`insert into reserve values (zeroblob(${RESERVE_BYTES}))`);
  database.exec("drop table reserve; pragma wal_checkpoint(restart);");
}

const freePages = (database: DatabaseSync): number =>
  (database.prepare("pragma freelist_count").get() as { freelist_count: number }).freelist_count;

const isFull = (error: unknown): boolean => error instanceof Error && "errcode" in error && error.errcode === FULL;

/** Says in the table's words that the host has no space. */
function explainFullDisk<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!isFull(error)) throw error;
    throw new PlatformError("HOST_OUT_OF_DISK", "the host has no space left for the server's database", {
      cause: error,
    });
  }
}
