import { type AuditRepository, firstIdOf } from "@microterm/core";
import type { AuditEntry, AuditId, EnvironmentId, OwnerId } from "@microterm/protocol";
import type { Kysely, Selectable } from "kysely";
import type { AuditTable, Schema } from "../schema.ts";

/** Others wait meanwhile. */
const REMOVED_AT_ONCE = 1000;

export function createAuditRepository(db: Kysely<Schema>): AuditRepository {
  return {
    async append({ detail, ...row }) {
      await db
        .insertInto("audit")
        .values(({ selectFrom }) => ({
          ...row,
          account_name:
            row.account === null ? null : selectFrom("accounts").select("name").where("id", "=", row.account),
          environment_name:
            row.environment === null
              ? null
              : selectFrom("environments").select("name").where("id", "=", row.environment),
          detail: JSON.stringify(detail),
        }))
        .execute();
    },

    async find({ before, limit, account, environment, action, outcome, address, from, to }) {
      let query = db.selectFrom("audit").selectAll().orderBy("id", "desc").limit(limit);
      if (before !== null) query = query.where("id", "<", before);
      if (from !== undefined) query = query.where("id", ">=", firstIdOf(Date.parse(from)));
      if (to !== undefined) query = query.where("id", "<", firstIdOf(Date.parse(to)));
      if (action !== undefined) query = query.where("action", "=", action);
      if (outcome !== undefined) query = query.where("outcome", "=", outcome);
      if (address !== undefined) query = query.where("address", "=", address);
      if (account !== undefined) {
        query = query.where((where) =>
          where.or([
            where("account", "=", account),
            where("account_name", "=", account),
            where("target", "=", account),
          ]),
        );
      }
      if (environment !== undefined) {
        query = query.where((where) =>
          where.or([
            where("environment", "=", environment),
            where("environment_name", "=", environment),
            where("target", "=", environment),
          ]),
        );
      }
      return (await query.execute()).map(toEntry);
    },

    async removeBefore(time) {
      // Without it the trigger refuses.
      await db
        .insertInto("audit_retention")
        .values({ one: 1, deletable_before: time })
        .onConflict((conflict) => conflict.column("one").doUpdateSet({ deletable_before: time }))
        .execute();
      const oldest = db
        .selectFrom("audit")
        .select("id")
        .where("id", "<", firstIdOf(Date.parse(time)))
        .orderBy("id");
      for (let removed = 0; ; ) {
        const { numDeletedRows } = await db
          .deleteFrom("audit")
          .where("id", "in", oldest.limit(REMOVED_AT_ONCE))
          .executeTakeFirst();
        removed += Number(numDeletedRows);
        if (numDeletedRows < REMOVED_AT_ONCE) return removed;
      }
    },
  };
}

function toEntry(stored: Selectable<AuditTable>): AuditEntry {
  return {
    id: stored.id as AuditId,
    at: stored.at,
    action: stored.action,
    outcome: stored.outcome,
    code: stored.code,
    account: stored.account === null ? null : { id: stored.account as OwnerId, name: stored.account_name },
    via: stored.via,
    credential: stored.credential,
    address: stored.address,
    environment:
      stored.environment === null ? null : { id: stored.environment as EnvironmentId, name: stored.environment_name },
    target: stored.target,
    beginning: stored.beginning as AuditId | null,
    count: stored.count,
    detail: JSON.parse(stored.detail),
  };
}
