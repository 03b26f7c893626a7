import { DatabaseSync } from "node:sqlite";
import { PlatformError } from "@microterm/protocol";

export interface ServerLock {
  /** The operating system does the same when the process dies, however it dies. */
  release(): void;
}

/** Kept from the garbage collector, which closes a database, and so releases its lock. */
const locked = new Set<DatabaseSync>();

/**
 * Makes this process the only server on a data folder, by an exclusive transaction on a lock database that is never
 * written: SQLite's lock is the kernel's (fcntl(2)), so nothing stale is left by a process that was killed.
 *
 * Throws `ENVIRONMENT_STATE` with `details.path` when another process holds it. Open `path` for nothing else: closing any
 * other descriptor of it in this process gives the lock up (fcntl's rule).
 */
export function acquireServerLock(path: string): ServerLock {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec("begin exclusive");
  } catch (error) {
    database.close();
    if (!isBusy(error)) throw error;
    throw new PlatformError("ENVIRONMENT_STATE", `another microterm server is running on this data folder (${path})`, {
      cause: error,
      details: { path },
    });
  }
  locked.add(database);
  return {
    release() {
      locked.delete(database);
      if (database.isOpen) database.close();
    },
  };
}

/** https://www.sqlite.org/rescode.html: SQLITE_BUSY and SQLITE_LOCKED, whatever their extended part. */
function isBusy(error: unknown): boolean {
  const code = (error as { errcode?: unknown }).errcode;
  return typeof code === "number" && ((code & 0xff) === 5 || (code & 0xff) === 6);
}
