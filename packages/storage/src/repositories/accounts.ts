import type { AccountRepository } from "@microterm/core";
import { type AccountId, PlatformError } from "@microterm/protocol";
import type { Kysely, Transaction } from "kysely";
import type { Schema } from "../schema.ts";
import { dataFolderAccount, insertAccount, insertNamedAccount, toAccount } from "./account-rows.ts";
import { inTransaction } from "./in-transaction.ts";
import { lockRow } from "./lock-row.ts";

export function createAccountRepository(db: Kysely<Schema>): AccountRepository {
  return {
    insert: (row) => inTransaction(db, (transaction) => insertNamedAccount(transaction, row)),

    async ensureDataFolderAccount(candidate, now) {
      const known = await dataFolderAccount(db);
      if (known !== null) return known;
      const row = {
        ...({ id: candidate, name: "admin", role: "admin", passwordHash: null } as const),
        ...{ disabledAt: null, stopsAt: null, lastSeenAt: null, createdAt: now },
      };
      if (await insertAccount(db, row, true)) return row;
      // Another server has made its own candidate first.
      const first = await dataFolderAccount(db);
      if (first === null) throw new PlatformError("NAME_TAKEN", "the data folder's account cannot be named 'admin'");
      return first;
    },

    async get(id) {
      const found = await db.selectFrom("accounts").selectAll().where("id", "=", id).executeTakeFirst();
      return found === undefined ? null : toAccount(found);
    },

    async find(reference) {
      const all = db.selectFrom("accounts").selectAll();
      const found =
        (await all.where("name", "=", reference).executeTakeFirst()) ??
        (await all.where("id", "=", reference).executeTakeFirst());
      return found === undefined ? null : toAccount(found);
    },

    isDataFolder: (id) => isDataFolder(db, id),

    async list() {
      const found = await db
        .selectFrom("accounts")
        .selectAll("accounts")
        .select(({ selectFrom, fn }) =>
          selectFrom("environments")
            .select(fn.countAll().as("total"))
            .whereRef("environments.owner", "=", "accounts.id")
            .as("environments"),
        )
        .select(({ selectFrom, fn }) =>
          selectFrom("identities")
            .select(fn.countAll().as("total"))
            .whereRef("identities.account", "=", "accounts.id")
            .as("identities"),
        )
        .orderBy("name")
        .execute();
      return found.map((one) => ({
        ...toAccount(one),
        environments: Number(one.environments),
        hasIdentity: Number(one.identities) > 0,
        isDataFolder: one.is_data_folder === 1,
      }));
    },

    async change(id, { role, disabledAt, stopsAt }) {
      return inTransaction(db, async (transaction) => {
        if ((role !== undefined && role !== "admin") || disabledAt != null) await assertNotDataFolder(transaction, id);
        const changed = await transaction
          .updateTable("accounts")
          .set(({ ref }) => ({
            id: ref("id"),
            ...(role === undefined ? {} : { role }),
            ...(disabledAt === undefined ? {} : { disabled_at: disabledAt }),
            ...(stopsAt === undefined ? {} : { stops_at: stopsAt }),
          }))
          .where("id", "=", id)
          .returningAll()
          .executeTakeFirst();
        return changed === undefined ? null : toAccount(changed);
      });
    },

    async lock(id) {
      const found = await db.updateTable("accounts").set({ id }).where("id", "=", id).returningAll().executeTakeFirst();
      return found === undefined ? null : toAccount(found);
    },

    async setPassword(id, from, to) {
      const { numUpdatedRows } = await db
        .updateTable("accounts")
        .set({ password_hash: to })
        .where("id", "=", id)
        .where("password_hash", from === null ? "is" : "=", from)
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    },

    async acceptReset(resetHash, passwordHash, now) {
      return inTransaction(db, async (transaction) => {
        const spent = await transaction
          .deleteFrom("credentials")
          .where("hash", "=", resetHash)
          .where("kind", "=", "reset")
          .where("expires_at", ">", now)
          .where("owner", "in", transaction.selectFrom("accounts").select("id").where("disabled_at", "is", null))
          .returning("owner")
          .executeTakeFirst();
        if (spent === undefined) return null;
        const account = await transaction
          .updateTable("accounts")
          .set({ password_hash: passwordHash })
          .where("id", "=", spent.owner)
          .returningAll()
          .executeTakeFirstOrThrow();
        const removed = await transaction
          .deleteFrom("credentials")
          .where("owner", "=", spent.owner)
          .where("kind", "in", ["session", "link", "oidc", "reset", "known-browser"])
          .returning("hash")
          .execute();
        return { account: toAccount(account), removed: removed.map(({ hash }) => hash) };
      });
    },

    async remove(id) {
      return inTransaction(db, async (transaction) => {
        // None of its networks and environments come meanwhile.
        await lockRow(transaction, "accounts", id);
        await assertNotDataFolder(transaction, id);
        const environments = transaction.selectFrom("environments").select("id").where("owner", "=", id);
        if ((await environments.limit(1).executeTakeFirst()) !== undefined) {
          throw new PlatformError("ACCOUNT_IN_USE", "the account has environments");
        }
        for (const table of ["credentials", "networks", "receipts", "idempotency"] as const) {
          await transaction.deleteFrom(table).where("owner", "=", id).execute();
        }
        await transaction.deleteFrom("invitations").where("created_by", "=", id).execute();
        const { numDeletedRows } = await transaction.deleteFrom("accounts").where("id", "=", id).executeTakeFirst();
        return numDeletedRows > 0n;
      });
    },

    async hasStopped(id, stopsAt) {
      const stopped = db.updateTable("accounts").set({ stops_at: null });
      await stopped.where("id", "=", id).where("stops_at", "=", stopsAt).execute();
    },

    async listStopping() {
      const found = await db
        .selectFrom("accounts")
        .select(["id", "stops_at"])
        .where("stops_at", "is not", null)
        .execute();
      return found.map(({ id, stops_at }) => ({ id: id as AccountId, stopsAt: stops_at ?? "" }));
    },

    async hasPasswordAdmin() {
      const found = await db
        .selectFrom("accounts")
        .select("id")
        .where("role", "=", "admin")
        .where("disabled_at", "is", null)
        .where("password_hash", "is not", null)
        .limit(1)
        .executeTakeFirst();
      return found !== undefined;
    },
  };
}

const isDataFolder = async (db: Kysely<Schema>, id: AccountId): Promise<boolean> =>
  (await dataFolderAccount(db))?.id === id;

/** The data folder's account stays an admin, whatever else is asked for. */
async function assertNotDataFolder(transaction: Transaction<Schema>, id: AccountId): Promise<void> {
  if (!(await isDataFolder(transaction, id))) return;
  throw new PlatformError("LAST_ADMIN", "this is the data folder's account, which stays an admin of the instance");
}
