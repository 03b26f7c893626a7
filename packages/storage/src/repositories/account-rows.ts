import type { AccountRow } from "@microterm/core";
import { type AccountId, PlatformError } from "@microterm/protocol";
import type { Kysely, Selectable } from "kysely";
import type { AccountsTable, Schema } from "../schema.ts";

export function toAccount(stored: Omit<Selectable<AccountsTable>, "is_data_folder">): AccountRow {
  return {
    id: stored.id as AccountId,
    name: stored.name,
    role: stored.role,
    passwordHash: stored.password_hash,
    disabledAt: stored.disabled_at,
    stopsAt: stored.stops_at,
    lastSeenAt: stored.last_seen_at,
    createdAt: stored.created_at,
  };
}

/** False when its id or its name is there, or the data folder's account. */
export async function insertAccount(db: Kysely<Schema>, row: AccountRow, isDataFolder = false): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await db
    .insertInto("accounts")
    .values({
      id: row.id,
      name: row.name,
      role: row.role,
      password_hash: row.passwordHash,
      disabled_at: row.disabledAt,
      stops_at: row.stopsAt,
      last_seen_at: row.lastSeenAt,
      created_at: row.createdAt,
      is_data_folder: isDataFolder ? 1 : 0,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}

/** Rejects with `NAME_TAKEN`. */
export async function insertNamedAccount(db: Kysely<Schema>, row: AccountRow): Promise<void> {
  const named = await db.selectFrom("accounts").select("id").where("id", "=", row.name).executeTakeFirst();
  // A name may be its own account's id.
  const isFree = named === undefined || named.id === row.id;
  if (isFree && (await insertAccount(db, row))) return;
  throw new PlatformError("NAME_TAKEN", `there is an account '${row.name}' already`, { details: { name: row.name } });
}

export async function dataFolderAccount(db: Kysely<Schema>): Promise<AccountRow | null> {
  const found = await db.selectFrom("accounts").selectAll().where("is_data_folder", "=", 1).executeTakeFirst();
  return found === undefined ? null : toAccount(found);
}
