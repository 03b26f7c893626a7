export type { DatabaseLocation } from "./backup/database-location.ts";
export { exportDatabase } from "./backup/export-database.ts";
export { assertEmptyDatabase, importDatabase } from "./backup/import-database.ts";
export { createPostgresStorage, type PostgresStorageOptions } from "./postgres/postgres-storage.ts";
export { acquireServerLock, type ServerLock } from "./server-lock.ts";
export { createSqliteStorage, type SqliteStorageOptions } from "./sqlite/sqlite-storage.ts";
