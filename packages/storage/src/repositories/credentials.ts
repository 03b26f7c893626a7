import type { Credential, CredentialRepository } from "@microterm/core";
import type { OwnerId } from "@microterm/protocol";
import type { Kysely, Selectable } from "kysely";
import type { CredentialsTable, Schema } from "../schema.ts";

export function createCredentialRepository(db: Kysely<Schema>): CredentialRepository {
  return {
    async insert(credential) {
      await db
        .insertInto("credentials")
        .values({
          hash: credential.hash,
          kind: credential.kind,
          owner: credential.owner,
          created_at: credential.createdAt,
          expires_at: credential.expiresAt,
        })
        .execute();
    },

    async find(hash, now) {
      const found = await db
        .selectFrom("credentials")
        .selectAll()
        .where("hash", "=", hash)
        .where((where) => where.or([where("expires_at", "is", null), where("expires_at", ">", now)]))
        .executeTakeFirst();
      return found === undefined ? null : toCredential(found);
    },

    async spend(hash, now) {
      // One statement: of two that come at once, one finds no row.
      const spent = await db
        .deleteFrom("credentials")
        .where("hash", "=", hash)
        .where("kind", "=", "link")
        .where((where) => where.or([where("expires_at", "is", null), where("expires_at", ">", now)]))
        .returningAll()
        .executeTakeFirst();
      return spent === undefined ? null : toCredential(spent);
    },

    async remove(hash) {
      const { numDeletedRows } = await db.deleteFrom("credentials").where("hash", "=", hash).executeTakeFirst();
      return numDeletedRows > 0n;
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
    kind: stored.kind,
    owner: stored.owner as OwnerId,
    createdAt: stored.created_at,
    expiresAt: stored.expires_at,
  };
}
