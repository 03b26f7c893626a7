import type { Kysely, Transaction } from "kysely";
import type { Schema } from "../schema.ts";

/** Runs in the transaction that there is already, or else in one of its own. */
export function inTransaction<T>(
  db: Kysely<Schema>,
  run: (transaction: Transaction<Schema>) => Promise<T>,
): Promise<T> {
  return db.isTransaction ? run(db as Transaction<Schema>) : db.transaction().execute(run);
}
