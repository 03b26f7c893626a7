import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { type SqliteDatabase, SqliteDialect } from "kysely";

/** Longest wait for another process's write, ms. The server is alone on its database; a backup or a shell may not be. */
const BUSY_TIMEOUT_MS = 5_000;
/** Prepared statements kept. The repositories' queries are a few dozen. */
const STATEMENT_CACHE = 100;

/**
 * Kysely's SQLite dialect over Node's own `node:sqlite`, which has no native module to build.
 *
 * `synchronous=NORMAL` with a write-ahead log: a commit is in the kernel's hands when it returns, so it survives
 * `kill -9` of this process at any point. Only a crash of the host itself can lose the last commits (never the
 * database's consistency), and no machine survives that either; in return no commit waits for a disk.
 */
export function createSqliteDialect(path: string): SqliteDialect {
  return new SqliteDialect({ database: async () => open(path) });
}

function open(path: string): SqliteDatabase {
  const database = new DatabaseSync(path, { enableForeignKeyConstraints: true, timeout: BUSY_TIMEOUT_MS });
  try {
    database.exec("pragma journal_mode = wal; pragma synchronous = normal;");
  } catch (error) {
    database.close();
    throw error;
  }
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
        all: (parameters: readonly unknown[]) => statement.all(...(parameters as SQLInputValue[])),
        run: (parameters: readonly unknown[]) => statement.run(...(parameters as SQLInputValue[])),
        iterate: (parameters: readonly unknown[]) => statement.iterate(...(parameters as SQLInputValue[])),
      };
      // The schema changes under a cached statement only in migrations, and SQLite prepares it again by itself then.
      if (statements.size < STATEMENT_CACHE) statements.set(sql, prepared);
      return prepared;
    },
  };
}
