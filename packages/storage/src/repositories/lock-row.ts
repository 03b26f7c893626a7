import type { Transaction } from "kysely";
import type { Schema } from "../schema.ts";

/**
 * Has every other transaction that locks the same row wait until this one has ended, so that what this one counts is so when it writes.
 * SQLite has one writer at a time; other databases hold the row that is written. False: there is none.
 */
export async function lockRow(
  transaction: Transaction<Schema>,
  table: "accounts" | "networks" | "environments" | "shares",
  id: string,
): Promise<boolean> {
  const { numUpdatedRows } = await transaction.updateTable(table).set({ id }).where("id", "=", id).executeTakeFirst();
  return numUpdatedRows > 0n;
}
