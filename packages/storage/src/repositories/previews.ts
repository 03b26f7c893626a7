import type { PreviewGrant, PreviewGrantRepository } from "@microterm/core";
import { type EnvironmentId, PlatformError } from "@microterm/protocol";
import type { Kysely, Selectable, Transaction } from "kysely";
import type { PreviewGrantsTable, Schema } from "../schema.ts";
import { inTransaction } from "./in-transaction.ts";
import { lockRow } from "./lock-row.ts";

export function createPreviewGrantRepository(db: Kysely<Schema>): PreviewGrantRepository {
  return {
    async insert(grant, link) {
      // What it refers to may have gone since it was looked at, and stays until the transaction has ended.
      return inTransaction(db, async (transaction) => {
        if (!(await lockRow(transaction, "environments", grant.environment))) return false;
        if (grant.credential !== null && !(await lockCredential(transaction, grant.credential, grant.environment)))
          return false;
        if (link !== undefined && (await ownerOf(transaction, grant.environment)) !== link.by) return false;
        if (link !== undefined) await assertRoom(transaction, grant, link.most);
        const { createdAt, expiresAt, ...rest } = grant;
        const values = { ...rest, created_at: createdAt, expires_at: expiresAt };
        await transaction.insertInto("preview_grants").values(values).execute();
        return true;
      });
    },

    async find(hash, now) {
      const found = await db
        .selectFrom("preview_grants")
        .innerJoin("environments", "environments.id", "preview_grants.environment")
        .innerJoin("accounts", "accounts.id", "environments.owner")
        .selectAll("preview_grants")
        .where("hash", "=", hash)
        .where("preview_grants.expires_at", ">", now)
        .where("accounts.disabled_at", "is", null)
        .where("accounts.role", "!=", "visitor")
        .executeTakeFirst();
      return found === undefined ? null : toGrant(found);
    },

    async hashesOf(owner) {
      const owned = db.selectFrom("environments").select("id").where("owner", "=", owner);
      const found = await db.selectFrom("preview_grants").select("hash").where("environment", "in", owned).execute();
      return found.map(({ hash }) => hash);
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

/** Has it stay until the transaction has ended. False: it is not there, or the environment is another's than its owner's by now. */
async function lockCredential(db: Transaction<Schema>, hash: string, environment: string): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable("credentials")
    .set({ hash })
    .where("hash", "=", hash)
    .where("owner", "=", db.selectFrom("environments").select("owner").where("id", "=", environment))
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Of one whose row is locked: it is so until the transaction has ended. */
async function ownerOf(db: Transaction<Schema>, environment: string): Promise<string | undefined> {
  return (await db.selectFrom("environments").select("owner").where("id", "=", environment).executeTakeFirst())?.owner;
}

/** Of this environment's links, which no other one counts meanwhile. */
async function assertRoom(db: Transaction<Schema>, grant: PreviewGrant, most: number): Promise<void> {
  const links = await db
    .selectFrom("preview_grants")
    .select("id")
    .where("environment", "=", grant.environment)
    .where("kind", "=", "link")
    .where("expires_at", ">", grant.createdAt)
    .execute();
  if (links.length >= most) {
    throw new PlatformError("TOO_MANY", `${most} links to this environment's ports are shared already`);
  }
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
