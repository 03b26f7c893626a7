import type { IdempotencyRepository } from "@microterm/core";
import type { Kysely } from "kysely";
import type { Schema } from "../schema.ts";

/** A claim this old that was never completed belongs to a process that died: no request that has a key takes as long. */
const CLAIM_LIFETIME_MS = 60_000;

export function createIdempotencyRepository(db: Kysely<Schema>): IdempotencyRepository {
  return {
    async claim(owner, key, fingerprint, now) {
      const abandoned = new Date(Date.parse(now) - CLAIM_LIFETIME_MS).toISOString();
      // One statement decides: it inserts, takes over an abandoned claim of the same request, or touches nothing.
      const claimed = await db
        .insertInto("idempotency")
        .values({ owner, key, fingerprint, claimed_at: now, status: null, body: null })
        .onConflict((conflict) =>
          conflict
            .columns(["owner", "key"])
            .doUpdateSet({ claimed_at: now })
            .where("idempotency.status", "is", null)
            .where("idempotency.fingerprint", "=", fingerprint)
            .where("idempotency.claimed_at", "<", abandoned),
        )
        .returning("key")
        .executeTakeFirst();
      if (claimed !== undefined) return { outcome: "claimed" };
      const found = await db
        .selectFrom("idempotency")
        .select(["fingerprint", "status", "body"])
        .where("owner", "=", owner)
        .where("key", "=", key)
        .executeTakeFirst();
      // Gone between the two: its request gave it up, and the caller may ask again.
      if (found === undefined) return { outcome: "pending" };
      if (found.fingerprint !== fingerprint) return { outcome: "mismatch" };
      if (found.status === null || found.body === null) return { outcome: "pending" };
      return { outcome: "done", status: found.status, body: found.body };
    },

    async complete(owner, key, status, body) {
      await db
        .updateTable("idempotency")
        .set({ status, body })
        .where("owner", "=", owner)
        .where("key", "=", key)
        .execute();
    },

    async abandon(owner, key) {
      await db
        .deleteFrom("idempotency")
        .where("owner", "=", owner)
        .where("key", "=", key)
        .where("status", "is", null)
        .execute();
    },

    async removeBefore(time) {
      const { numDeletedRows } = await db.deleteFrom("idempotency").where("claimed_at", "<", time).executeTakeFirst();
      return Number(numDeletedRows);
    },
  };
}
