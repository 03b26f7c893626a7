import type { Credential, CredentialRepository } from "@microterm/core";
import { type OwnerId, Scope } from "@microterm/protocol";
import type { ExpressionBuilder, Kysely, Selectable } from "kysely";
import type { CredentialsTable, Schema } from "../schema.ts";
import { toAccount } from "./account-rows.ts";
import { inTransaction } from "./in-transaction.ts";

const isUnexpired = (now: string) => (where: ExpressionBuilder<Schema, "credentials">) =>
  where.or([where("credentials.expires_at", "is", null), where("credentials.expires_at", ">", now)]);

export function createCredentialRepository(db: Kysely<Schema>): CredentialRepository {
  return {
    async insert(credential) {
      await db
        .insertInto("credentials")
        .values({
          hash: credential.hash,
          id: credential.id,
          kind: credential.kind,
          owner: credential.owner,
          name: credential.name,
          scopes: credential.scopes === null ? null : JSON.stringify(credential.scopes),
          device: credential.device,
          address: credential.address,
          last_used_at: credential.lastUsedAt,
          created_at: credential.createdAt,
          expires_at: credential.expiresAt,
        })
        .execute();
    },

    async find(hash, now) {
      const all = db.selectFrom("credentials").selectAll();
      const found = await all.where("hash", "=", hash).where(isUnexpired(now)).executeTakeFirst();
      return found === undefined ? null : toCredential(found);
    },

    async findWithAccount(hash, now) {
      const found = await db
        .selectFrom("credentials")
        .innerJoin("accounts", "accounts.id", "credentials.owner")
        .selectAll("credentials")
        .select(["accounts.name as account_name", "role", "password_hash", "disabled_at", "stops_at", "last_seen_at"])
        .select("accounts.created_at as account_created_at")
        .where("hash", "=", hash)
        .where(isUnexpired(now))
        .executeTakeFirst();
      if (found === undefined) return null;
      const account = { ...found, id: found.owner, name: found.account_name, created_at: found.account_created_at };
      return { credential: toCredential(found), account: toAccount(account) };
    },

    async spend(hash, now) {
      // One statement: of two that come at once, one finds no row.
      const spent = await db
        .deleteFrom("credentials")
        .where("hash", "=", hash)
        .where("kind", "in", ["link", "oidc"])
        .where(isUnexpired(now))
        .where("owner", "in", db.selectFrom("accounts").select("id").where("disabled_at", "is", null))
        .returningAll()
        .executeTakeFirst();
      if (spent === undefined) return null;
      const owner = await db.selectFrom("accounts").selectAll().where("id", "=", spent.owner).executeTakeFirst();
      return owner === undefined ? null : { credential: toCredential(spent), account: toAccount(owner) };
    },

    async list(owner, kind, now) {
      const found = await db
        .selectFrom("credentials")
        .selectAll()
        .where("owner", "=", owner)
        .where("kind", "=", kind)
        .where(isUnexpired(now))
        .orderBy("created_at", "desc")
        .orderBy("id")
        .execute();
      return found.map(toCredential);
    },

    async hashesOf(owner) {
      const found = await db.selectFrom("credentials").select("hash").where("owner", "=", owner).execute();
      return found.map(({ hash }) => hash);
    },

    async noteUse({ hash, owner }, { at, address }) {
      await inTransaction(db, async (transaction) => {
        const use = { last_used_at: at, address };
        // The account first, as other transactions do that lock it and remove credentials then.
        await transaction.updateTable("accounts").set({ last_seen_at: at }).where("id", "=", owner).execute();
        await transaction.updateTable("credentials").set(use).where("hash", "=", hash).execute();
      });
    },

    async remove(hash) {
      const { numDeletedRows } = await db.deleteFrom("credentials").where("hash", "=", hash).executeTakeFirst();
      return numDeletedRows > 0n;
    },

    async removeById(owner, kind, id) {
      const removed = await db
        .deleteFrom("credentials")
        .where("owner", "=", owner)
        .where("kind", "=", kind)
        .where("id", "=", id)
        .returning("hash")
        .executeTakeFirst();
      return removed?.hash ?? null;
    },

    async removeAll(owner, kinds, except) {
      let removal = db
        .deleteFrom("credentials")
        .where("owner", "=", owner)
        .where("kind", "in", [...kinds]);
      if (except !== undefined) removal = removal.where("hash", "!=", except);
      return (await removal.returning("hash").execute()).map(({ hash }) => hash);
    },

    async removeExpired(now) {
      const { numDeletedRows } = await db.deleteFrom("credentials").where("expires_at", "<=", now).executeTakeFirst();
      return Number(numDeletedRows);
    },
  };
}

function toCredential(stored: Selectable<CredentialsTable>): Credential {
  return {
    hash: stored.hash,
    id: stored.id,
    kind: stored.kind,
    owner: stored.owner as OwnerId,
    name: stored.name,
    scopes: stored.scopes === null ? null : Scope.array().parse(JSON.parse(stored.scopes)),
    device: stored.device,
    address: stored.address,
    lastUsedAt: stored.last_used_at,
    createdAt: stored.created_at,
    expiresAt: stored.expires_at,
  };
}
