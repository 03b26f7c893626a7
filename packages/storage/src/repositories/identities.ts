import type { IdentityRepository, IdentityRow } from "@microterm/core";
import { type AccountId, PlatformError } from "@microterm/protocol";
import type { Kysely, Selectable } from "kysely";
import type { IdentitiesTable, Schema } from "../schema.ts";
import { toAccount } from "./account-rows.ts";

export function createIdentityRepository(db: Kysely<Schema>): IdentityRepository {
  return {
    async insert(row) {
      const { numInsertedOrUpdatedRows } = await db
        .insertInto("identities")
        .values({
          id: row.id,
          issuer: row.issuer,
          subject: row.subject,
          account: row.account,
          name: row.name,
          created_at: row.createdAt,
          last_used_at: row.lastUsedAt,
        })
        .onConflict((conflict) => conflict.columns(["issuer", "subject"]).doNothing())
        .executeTakeFirst();
      if (numInsertedOrUpdatedRows === 1n) return;
      throw new PlatformError("IDENTITY_TAKEN", "an account signs in with this identity of the provider already");
    },

    async use({ issuer, subject, name }, now) {
      const used = await db
        .updateTable("identities")
        .set({ name, last_used_at: now })
        .where("issuer", "=", issuer)
        .where("subject", "=", subject)
        .returning("account")
        .executeTakeFirst();
      if (used === undefined) return null;
      const found = await db.selectFrom("accounts").selectAll().where("id", "=", used.account).executeTakeFirst();
      return found === undefined ? null : toAccount(found);
    },

    async list(account) {
      const found = await db
        .selectFrom("identities")
        .selectAll()
        .where("account", "=", account)
        .orderBy("created_at")
        .orderBy("id")
        .execute();
      return found.map(toIdentity);
    },

    async remove(account, id) {
      const { numDeletedRows } = await db
        .deleteFrom("identities")
        .where("account", "=", account)
        .where("id", "=", id)
        .executeTakeFirst();
      return numDeletedRows > 0n;
    },
  };
}

function toIdentity(stored: Selectable<IdentitiesTable>): IdentityRow {
  return {
    id: stored.id,
    issuer: stored.issuer,
    subject: stored.subject,
    account: stored.account as AccountId,
    name: stored.name,
    createdAt: stored.created_at,
    lastUsedAt: stored.last_used_at,
  };
}
