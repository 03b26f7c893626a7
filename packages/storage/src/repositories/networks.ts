import type { NetworkRepository, NetworkRow } from "@microterm/core";
import { type NetworkId, type OwnerId, PlatformError } from "@microterm/protocol";
import type { Kysely, Selectable } from "kysely";
import type { NetworksTable, Schema } from "../schema.ts";
import { inTransaction } from "./in-transaction.ts";
import { lockRow } from "./lock-row.ts";

export function createNetworkRepository(db: Kysely<Schema>): NetworkRepository {
  return {
    async insert({ id, owner, name, createdAt }, most) {
      await inTransaction(db, async (transaction) => {
        // Until it has ended no other one counts this owner's networks.
        await lockRow(transaction, "accounts", owner);
        const owned = await transaction
          .selectFrom("networks")
          .select(["id", "name"])
          .where("owner", "=", owner)
          .execute();
        if (owned.some((one) => one.name === name || one.name === id)) {
          throw new PlatformError("NAME_TAKEN", `a network named '${name}' exists already`, { details: { name } });
        }
        if (owned.some((one) => one.id === name)) {
          throw new PlatformError("NAME_TAKEN", `'${name}' is the id of another network`, { details: { name } });
        }
        if (owned.length >= most) throw new PlatformError("TOO_MANY", `there are ${most} networks at most`);
        await transaction.insertInto("networks").values({ id, owner, name, created_at: createdAt }).execute();
      });
    },

    async get(id) {
      const found = await db.selectFrom("networks").selectAll().where("id", "=", id).executeTakeFirst();
      return found === undefined ? null : toRow(found);
    },

    async find(reference, by) {
      const owned = db.selectFrom("networks").selectAll().where("owner", "=", by.owner);
      const found =
        (await owned.where("name", "=", reference).executeTakeFirst()) ??
        (await owned.where("id", "=", reference).executeTakeFirst());
      return found === undefined ? null : toRow(found);
    },

    async list(by) {
      const found = await db.selectFrom("networks").selectAll().where("owner", "=", by.owner).orderBy("name").execute();
      return found.map(toRow);
    },

    async remove(id) {
      return inTransaction(db, async (transaction) => {
        // None joins it meanwhile.
        await lockRow(transaction, "networks", id);
        const members = transaction.selectFrom("environments").select("id").where("shared_network", "=", id);
        if ((await members.limit(1).executeTakeFirst()) !== undefined) return false;
        const { numDeletedRows } = await transaction.deleteFrom("networks").where("id", "=", id).executeTakeFirst();
        return numDeletedRows > 0n;
      });
    },
  };
}

function toRow(stored: Selectable<NetworksTable>): NetworkRow {
  return {
    id: stored.id as NetworkId,
    owner: stored.owner as OwnerId,
    name: stored.name,
    createdAt: stored.created_at,
  };
}
