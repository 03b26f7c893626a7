import type { InvitationRepository, InvitationRow } from "@microterm/core";
import { type AccountId, PlatformError } from "@microterm/protocol";
import type { Kysely, Selectable } from "kysely";
import type { InvitationsTable, Schema } from "../schema.ts";
import { insertNamedAccount } from "./account-rows.ts";
import { inTransaction } from "./in-transaction.ts";
import { lockRow } from "./lock-row.ts";

export function createInvitationRepository(db: Kysely<Schema>): InvitationRepository {
  const open = (within: Kysely<Schema>, now: string) =>
    within
      .selectFrom("invitations")
      .innerJoin("accounts as maker", "maker.id", "invitations.created_by")
      .where("maker.role", "=", "admin")
      .where("maker.disabled_at", "is", null)
      .where("invitations.expires_at", ">", now)
      .where("uses_left", ">", 0);
  return {
    async insert(row, most, now) {
      await inTransaction(db, async (transaction) => {
        // Until it has ended no other one of this account counts them.
        await lockRow(transaction, "accounts", row.createdBy);
        const found = open(transaction, now).select("invitations.id");
        if ((await found.limit(most).execute()).length >= most) {
          throw new PlatformError("TOO_MANY", `there are ${most} open invitations at most`);
        }
        await transaction
          .insertInto("invitations")
          .values({
            hash: row.hash,
            id: row.id,
            role: row.role,
            uses_left: row.usesLeft,
            created_by: row.createdBy,
            created_at: row.createdAt,
            expires_at: row.expiresAt,
          })
          .execute();
      });
    },

    async find(hash, now) {
      const found = await open(db, now).selectAll("invitations").where("hash", "=", hash).executeTakeFirst();
      return found === undefined ? null : toInvitation(found);
    },

    async list(now) {
      const found = await open(db, now)
        .selectAll("invitations")
        .select("maker.name as created_by_name")
        .orderBy("invitations.created_at")
        .orderBy("invitations.id")
        .execute();
      return found.map((one) => ({ ...toInvitation(one), createdByName: one.created_by_name }));
    },

    async remove(id) {
      const { numDeletedRows } = await db.deleteFrom("invitations").where("id", "=", id).executeTakeFirst();
      return numDeletedRows > 0n;
    },

    async accept(hash, account, now) {
      return inTransaction(db, async (transaction) => {
        // One statement: of two that take the last use at once, one finds none.
        const used = await transaction
          .updateTable("invitations")
          .set(({ eb }) => ({ uses_left: eb("uses_left", "-", 1) }))
          .where("hash", "in", open(transaction, now).select("invitations.hash").where("hash", "=", hash))
          .where("uses_left", ">", 0)
          .returning("role")
          .executeTakeFirst();
        if (used === undefined) return null;
        const row = { ...account, role: used.role };
        await insertNamedAccount(transaction, row);
        return row;
      });
    },

    async removeExpired(now) {
      const { numDeletedRows } = await db
        .deleteFrom("invitations")
        .where((where) => where.or([where("expires_at", "<=", now), where("uses_left", "<=", 0)]))
        .executeTakeFirst();
      return Number(numDeletedRows);
    },
  };
}

function toInvitation(stored: Selectable<InvitationsTable>): InvitationRow {
  return {
    hash: stored.hash,
    id: stored.id,
    role: stored.role,
    usesLeft: stored.uses_left,
    createdBy: stored.created_by as AccountId,
    createdAt: stored.created_at,
    expiresAt: stored.expires_at,
  };
}
