export { acquireServerLock, type ServerLock } from "./sqlite/server-lock.ts";
export { createSqliteStorage, type SqliteStorageOptions } from "./sqlite/sqlite-storage.ts";
