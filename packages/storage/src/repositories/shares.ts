import type { Grant, GrantRow, ShareRepository, ShareRow } from "@microterm/core";
import { type AccountId, type EnvironmentId, type OwnerId, PlatformError, type TerminalId } from "@microterm/protocol";
import type { Kysely, Selectable, Transaction } from "kysely";
import type { Schema, ShareGrantsTable, SharesTable } from "../schema.ts";
import { inTransaction } from "./in-transaction.ts";
import { lockRow } from "./lock-row.ts";

export function createShareRepository(db: Kysely<Schema>): ShareRepository {
  return {
    async insert(share, { most, grant }) {
      return inTransaction(db, async (transaction) => {
        // Until it has ended no other one counts what this account shares, nor does the environment change hands.
        await lockRow(transaction, "accounts", share.createdBy);
        const environment = await transaction
          .selectFrom("environments")
          .select("owner")
          .where("id", "=", share.environment)
          .executeTakeFirst();
        if (environment === undefined) return false;
        if (share.kind !== "look-in" && environment.owner !== share.createdBy) return false;
        const { count } = await transaction
          .selectFrom("shares")
          .select((select) => select.fn.countAll<number>().as("count"))
          .where("environment", "=", share.environment)
          // What an owner shares must not keep an admin from looking in.
          .where("kind", share.kind === "look-in" ? "=" : "!=", "look-in")
          .executeTakeFirstOrThrow();
        if (Number(count) >= most) {
          throw new PlatformError("TOO_MANY", `${most} shares of this environment's terminals are there already`);
        }
        await transaction.insertInto("shares").values(toStoredShare(share)).execute();
        if (grant !== null) await transaction.insertInto("share_grants").values(toStoredGrant(grant)).execute();
        return true;
      });
    },

    async find(codeHash, now) {
      const found = await live(db, now)
        .innerJoin("accounts as owner", "owner.id", "environments.owner")
        .selectAll("shares")
        .select("owner.name as owner_name")
        .where("shares.code_hash", "=", codeHash)
        .executeTakeFirst();
      return found === undefined ? null : { ...toShare(found), ownerName: found.owner_name };
    },

    async ofEnvironment(environment, now) {
      const shares = await live(db, now)
        .selectAll("shares")
        .where("shares.environment", "=", environment)
        .orderBy("shares.created_at")
        .orderBy("shares.id")
        .execute();
      const grants = await liveGrants(db, now)
        .where("shares.environment", "=", environment)
        .orderBy("grant.created_at")
        .orderBy("grant.id")
        .execute();
      return { shares: shares.map(toShare), grants: grants.map(toGrant) };
    },

    async remove(environment, share) {
      return inTransaction(db, async (transaction) => {
        const own = transaction
          .selectFrom("shares")
          .select("id")
          .where("id", "=", share)
          .where("environment", "=", environment);
        const grants = await transaction.deleteFrom("share_grants").where("share", "in", own).returning("id").execute();
        const { numDeletedRows } = await transaction.deleteFrom("shares").where("id", "in", own).executeTakeFirst();
        return numDeletedRows === 0n ? null : grants.map(({ id }) => id);
      });
    },

    async accept(codeHash, grant, now) {
      return inTransaction(db, async (transaction) => {
        const named = await live(transaction, now)
          .select("shares.id")
          .where("shares.code_hash", "=", codeHash)
          .executeTakeFirst();
        if (named === undefined) return null;
        // Of two at once, the second one sees what the first one has done.
        await lockRow(transaction, "shares", named.id);
        const share = await live(transaction, now)
          .selectAll("shares")
          .where("shares.id", "=", named.id)
          .executeTakeFirst();
        if (share === undefined) return null;
        const before = await transaction
          .selectFrom("share_grants")
          .selectAll()
          .where("share", "=", share.id)
          .where((where) =>
            grant.account === null ? where("browser", "=", grant.browser) : where("account", "=", grant.account),
          )
          .executeTakeFirst();
        if (before === undefined) {
          if (grant.account === null && share.anonymous_ended_at !== null) return null;
          if (!(await spendUse(transaction, share.id))) return null;
          const made: GrantRow = { ...grant, share: share.id, granted: share.role, asked: share.role };
          await transaction.insertInto("share_grants").values(toStoredGrant(made)).execute();
        } else if (before.removed_at !== null) {
          return null;
        } else if (before.left_at !== null) {
          const { granted } = before;
          await transaction
            .updateTable("share_grants")
            .set({ id: grant.id, name: grant.name, created_at: grant.createdAt, asked: granted, left_at: null })
            .where("id", "=", before.id)
            .execute();
        }
        const isThere = before !== undefined && before.left_at === null;
        const found = await liveGrants(transaction, now)
          .where("grant.id", "=", isThere ? before.id : grant.id)
          .executeTakeFirst();
        return found === undefined ? null : toGrant(found);
      });
    },

    async grant(id, now) {
      const found = await liveGrants(db, now).where("grant.id", "=", id).executeTakeFirst();
      return found === undefined ? null : toGrant(found);
    },

    async grantsOf({ account, browser }, now) {
      const found = await liveGrants(db, now)
        .where((where) =>
          account === null ? where("grant.browser", "=", browser) : where("grant.account", "=", account),
        )
        .orderBy("grant.created_at")
        .orderBy("grant.id")
        .execute();
      return found.map(toGrant);
    },

    async setRole(id, role) {
      const { numUpdatedRows } = await db
        .updateTable("share_grants")
        .set(role)
        .where("id", "=", id)
        .where("removed_at", "is", null)
        .where("left_at", "is", null)
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    },

    async lowerRole(share) {
      await db.updateTable("shares").set({ role: "viewer" }).where("id", "=", share).execute();
    },

    async removeGrant(id, now) {
      return inTransaction(db, async (transaction) => {
        const share = transaction.selectFrom("share_grants").select("share").where("id", "=", id);
        // First the share, as `accept` does: neither waits for the other.
        await transaction
          .updateTable("shares")
          .set({ anonymous_ended_at: now })
          .where("id", "in", share)
          .where("anonymous_ended_at", "is", null)
          .execute();
        return endGrant(transaction, id, { removed_at: now });
      });
    },

    leave: (id, now) => endGrant(db, id, { left_at: now }),

    async removeOf(whose, now) {
      return inTransaction(db, async (transaction) => {
        const shares = transaction
          .selectFrom("shares")
          .select("id")
          .where((where) =>
            "environment" in whose
              ? where("environment", "=", whose.environment)
              : where("created_by", "=", "maker" in whose ? whose.maker : whose.account),
          );
        const grants = await transaction
          .deleteFrom("share_grants")
          .where("share", "in", shares)
          .returning("id")
          .execute();
        await transaction.deleteFrom("shares").where("id", "in", shares).execute();
        // What was taken from an account by its grants stays so.
        const left =
          "account" in whose
            ? await transaction
                .updateTable("share_grants")
                .set({ left_at: now })
                .where("account", "=", whose.account)
                .where("left_at", "is", null)
                .where("removed_at", "is", null)
                .returning("id")
                .execute()
            : [];
        return [...grants, ...left].map(({ id }) => id);
      });
    },

    async removeEnded(now) {
      const alive = live(db, now).select("shares.id");
      const { numDeletedRows } = await db.deleteFrom("shares").where("id", "not in", alive).executeTakeFirst();
      return Number(numDeletedRows);
    },
  };
}

async function spendUse(transaction: Transaction<Schema>, share: string): Promise<boolean> {
  const { numUpdatedRows } = await transaction
    .updateTable("shares")
    .set(({ eb }) => ({ uses_left: eb("uses_left", "-", 1) }))
    .where("id", "=", share)
    .where("uses_left", ">", 0)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

async function endGrant(
  db: Kysely<Schema>,
  id: string,
  how: { readonly left_at: string } | { readonly removed_at: string },
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable("share_grants")
    .set(how)
    .where("id", "=", id)
    .where("left_at", "is", null)
    .where("removed_at", "is", null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

const live = (db: Kysely<Schema> | Transaction<Schema>, now: string) =>
  db
    .selectFrom("shares")
    .innerJoin("environments", "environments.id", "shares.environment")
    .innerJoin("accounts as maker", "maker.id", "shares.created_by")
    .where("shares.expires_at", ">", now)
    .where("maker.disabled_at", "is", null)
    .where("maker.role", "!=", "visitor")
    .where((where) =>
      where.or([
        where("shares.kind", "=", "look-in"),
        where("environments.owner", "=", where.ref("shares.created_by")),
      ]),
    );

const liveGrants = (db: Kysely<Schema> | Transaction<Schema>, now: string) =>
  live(db, now)
    .innerJoin("share_grants as grant", "grant.share", "shares.id")
    .innerJoin("accounts as owner", "owner.id", "environments.owner")
    .leftJoin("accounts as person", "person.id", "grant.account")
    .where("person.disabled_at", "is", null)
    .where("grant.left_at", "is", null)
    .where("grant.removed_at", "is", null)
    .selectAll("grant")
    .select([
      "shares.kind",
      "shares.environment",
      "shares.terminal",
      "shares.expires_at",
      "shares.without_account",
      "shares.scrollback",
      "environments.owner",
      "owner.name as owner_name",
      "person.name as account_name",
    ]);

type StoredGrant = Awaited<ReturnType<ReturnType<typeof liveGrants>["execute"]>>[number];

function toGrant(stored: StoredGrant): Grant {
  return {
    id: stored.id,
    share: stored.share,
    kind: stored.kind,
    account: stored.account as AccountId | null,
    browser: stored.browser,
    name: stored.name,
    granted: stored.granted,
    asked: stored.asked,
    createdAt: stored.created_at,
    environment: stored.environment as EnvironmentId,
    terminal: stored.terminal as TerminalId,
    owner: stored.owner as OwnerId,
    ownerName: stored.owner_name,
    accountName: stored.account_name,
    withoutAccount: stored.without_account === 1,
    scrollback: stored.scrollback === 1,
    expiresAt: stored.expires_at,
  };
}

function toShare(stored: Selectable<SharesTable>): ShareRow {
  return {
    id: stored.id,
    kind: stored.kind,
    codeHash: stored.code_hash,
    environment: stored.environment as EnvironmentId,
    terminal: stored.terminal as TerminalId,
    role: stored.role,
    createdBy: stored.created_by as AccountId,
    createdAt: stored.created_at,
    expiresAt: stored.expires_at,
    usesLeft: stored.uses_left,
    withoutAccount: stored.without_account === 1,
    anonymousEndedAt: stored.anonymous_ended_at,
    scrollback: stored.scrollback === 1,
  };
}

const toStoredShare = (share: ShareRow): SharesTable => ({
  id: share.id,
  kind: share.kind,
  code_hash: share.codeHash,
  environment: share.environment,
  terminal: share.terminal,
  role: share.role,
  created_by: share.createdBy,
  created_at: share.createdAt,
  expires_at: share.expiresAt,
  uses_left: share.usesLeft,
  without_account: share.withoutAccount ? 1 : 0,
  anonymous_ended_at: share.anonymousEndedAt,
  scrollback: share.scrollback ? 1 : 0,
});

const toStoredGrant = ({ createdAt, ...grant }: GrantRow): ShareGrantsTable => ({
  ...grant,
  ...{ created_at: createdAt, left_at: null, removed_at: null },
});
