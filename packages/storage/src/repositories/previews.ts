import type { PreviewGrant, PreviewGrantRepository } from "@microterm/core";
import type { EnvironmentId } from "@microterm/protocol";
import type { Kysely, Selectable } from "kysely";
import type { PreviewGrantsTable, Schema } from "../schema.ts";

export function createPreviewGrantRepository(db: Kysely<Schema>): PreviewGrantRepository {
  return {
    async insert({ createdAt, expiresAt, ...grant }) {
      // In one transaction: what it refers to may have gone since it was looked at.
      return db.transaction().execute(async (transaction) => {
        const { environment, credential } = grant;
        const found = await transaction
          .selectFrom("environments")
          .select("id")
          .where("id", "=", environment)
          .executeTakeFirst();
        if (found === undefined) return false;
        if (credential !== null) {
          const session = transaction.selectFrom("credentials").select("hash").where("hash", "=", credential);
          if ((await session.executeTakeFirst()) === undefined) return false;
        }
        const values = { ...grant, created_at: createdAt, expires_at: expiresAt };
        await transaction.insertInto("preview_grants").values(values).execute();
        return true;
      });
    },

    async find(hash, now) {
      const found = await db
        .selectFrom("preview_grants")
        .selectAll()
        .where("hash", "=", hash)
        .where("expires_at", ">", now)
        .executeTakeFirst();
      return found === undefined ? null : toGrant(found);
    },

    async links(environment, now) {
      const found = await db
        .selectFrom("preview_grants")
        .selectAll()
        .where("environment", "=", environment)
        .where("kind", "=", "link")
        .where("expires_at", ">", now)
        .orderBy("created_at")
        .orderBy("id")
        .execute();
      return found.map(toGrant);
    },

    async removeLink(environment, id) {
      const removed = await db
        .deleteFrom("preview_grants")
        .where("environment", "=", environment)
        .where("kind", "=", "link")
        .where("id", "=", id)
        .returning("hash")
        .executeTakeFirst();
      return removed?.hash ?? null;
    },

    async removeExpired(now) {
      const { numDeletedRows } = await db
        .deleteFrom("preview_grants")
        .where("expires_at", "<=", now)
        .executeTakeFirst();
      return Number(numDeletedRows);
    },
  };
}

function toGrant(stored: Selectable<PreviewGrantsTable>): PreviewGrant {
  return {
    hash: stored.hash,
    id: stored.id,
    kind: stored.kind,
    environment: stored.environment as EnvironmentId,
    port: stored.port,
    credential: stored.credential,
    createdAt: stored.created_at,
    expiresAt: stored.expires_at,
  };
}
