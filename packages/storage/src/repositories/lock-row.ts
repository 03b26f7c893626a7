import type { Transaction } from "kysely";
import type { Schema } from "../schema.ts";

/**
 * Has every other transaction that locks the same row wait until this one has ended, so that what this one counts is so when it writes.
 * SQLite has one writer at a time; other databases hold the row that is written.
 */
export async function lockRow(
  transaction: Transaction<Schema>,
  table: "owners" | "networks",
  id: string,
): Promise<void> {
  await transaction.updateTable(table).set({ id }).where("id", "=", id).execute();
}
