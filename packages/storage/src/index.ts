export { acquireServerLock, type ServerLock } from "./server-lock.ts";
export { createSqliteStorage, type SqliteStorageOptions } from "./sqlite/sqlite-storage.ts";
