import {
  type EnvironmentFacts,
  type EnvironmentPatch,
  type EnvironmentRepository,
  type EnvironmentRow,
  type KnownState,
  RESTING,
  SYSTEM,
  spendingOfCreate,
  spendingOfStart,
} from "@microterm/core";
import { type EnvironmentId, type EnvironmentState, type NetworkId, PlatformError, Receipt } from "@microterm/protocol";
import type { Expression, ExpressionBuilder, Kysely, SqlBool, Transaction } from "kysely";
import type { EnvironmentsTable, Schema } from "../../schema.ts";
import { inTransaction } from "../in-transaction.ts";
import { lockRow } from "../lock-row.ts";
import { addRun } from "../quotas/running-days.ts";
import { spend } from "../quotas/spending.ts";
import { fromLimits, fromPatch, fromRow, fromTimes, toRow } from "./environment-rows.ts";
import { transferRow } from "./transfer.ts";

const RECEIPT_LIFETIME_MS = 7 * 24 * 3_600_000;
const SHORTEST_PREFIX = 4;
/** What receipts of before do not say. */
const OLDER_RECEIPT = { cause: "request" };
const OLDER_REMOVED = { namespaces: 0, links: 0, flows: 0 };

/** The members of a network besides an environment, of which there come no more while the transaction goes on; null: there is no such network. */
async function countOthers(db: Transaction<Schema>, id: EnvironmentId, network: NetworkId): Promise<number | null> {
  await lockRow(db, "networks", network);
  const found = await db.selectFrom("networks").select("id").where("id", "=", network).executeTakeFirst();
  if (found === undefined) return null;
  const others = db.selectFrom("environments").select("id").where("shared_network", "=", network).where("id", "!=", id);
  return (await others.execute()).length;
}

/** Still as its caller knows it, and nothing is being done to it. */
const isUnchanged =
  ({ state, machineId }: KnownState) =>
  (where: ExpressionBuilder<Schema, "environments">): Expression<SqlBool> =>
    where.and([
      where("state", "=", state),
      where("operation", "is", null),
      where("machine_id", machineId === null ? "is" : "=", machineId),
    ]);

/** No peer of a server holds it. */
const isFreeFor =
  (server: number) =>
  (where: ExpressionBuilder<Schema, "environments">): Expression<SqlBool> =>
    where.or([where("server", "is", null), where("server", "=", server)]);

interface StateChange {
  readonly from: readonly EnvironmentState[];
  readonly to: EnvironmentState;
  readonly patch: EnvironmentPatch;
  readonly only: EnvironmentFacts & { readonly heldBy?: number };
  /** Whose it has to be. */
  readonly owner?: string;
  /** Of a fleet: the server that makes it. */
  readonly server: number | null;
}

async function changeState(
  db: Kysely<Schema>,
  id: EnvironmentId,
  { from, to, patch, only: { heldBy, ...only }, owner, server }: StateChange,
): Promise<EnvironmentRow | null> {
  let update = db
    .updateTable("environments")
    .set({ state: to, ...fromPatch(patch), ...(to === "running" ? {} : { running_since: null }) })
    .where("id", "=", id)
    .where("state", "in", [...from]);
  if (heldBy !== undefined) update = update.where("server", "=", heldBy);
  else if (server !== null) {
    update = update
      .where(isFreeFor(server))
      .set({ server: RESTING.has(to) ? null : server })
      // What is set is computed from the row as it was.
      .set(({ eb, ref }) => ({
        epoch: eb
          .case()
          .when("server", "is", null)
          .then(eb("epoch", "+", 1))
          .else(ref("epoch"))
          .end(),
      }));
  }
  const known = Object.entries({ ...fromPatch(only), ...fromTimes(only) });
  for (const [column, value] of known as [keyof EnvironmentsTable, string | number | null][]) {
    update = value === null ? update.where(column, "is", null) : update.where(column, "=", value);
  }
  if (owner !== undefined) update = update.where("owner", "=", owner);
  const changed = await update.returningAll().executeTakeFirst();
  return changed === undefined ? null : toRow(changed);
}

/** `server`: the number of the one whose repository it is; null: it is alone. */
export function createEnvironmentRepository(db: Kysely<Schema>, server: number | null): EnvironmentRepository {
  return {
    insert: (row) =>
      spend(db, { account: row.owner, asked: spendingOfCreate(row), now: row.createdAt }, async (within) => {
        const { numInsertedOrUpdatedRows } = await within
          .insertInto("environments")
          .values(fromRow(row))
          .onConflict((conflict) => conflict.columns(["owner", "name"]).doNothing())
          .executeTakeFirst();
        if (numInsertedOrUpdatedRows === 1n) return;
        throw new PlatformError("NAME_TAKEN", `an environment named '${row.name}' exists already`, {
          details: { name: row.name },
        });
      }),

    async get(id, by) {
      let query = db.selectFrom("environments").selectAll().where("id", "=", id);
      if (by !== SYSTEM && by.role !== "admin") query = query.where("owner", "=", by.owner);
      const found = await query.executeTakeFirst();
      return found === undefined ? null : toRow(found);
    },

    async find(reference, by) {
      const owned = db.selectFrom("environments").selectAll().where("owner", "=", by.owner);
      const named = await owned.where("name", "=", reference).executeTakeFirst();
      if (named !== undefined) return toRow(named);
      // Only what can be an id: `%` and `_` must not act as patterns.
      if (reference.length < SHORTEST_PREFIX || !/^[a-z0-9]{1,12}$/.test(reference)) return null;
      const [first, second] = await owned.where("id", "like", `${reference}%`).limit(2).execute();
      return first === undefined || second !== undefined ? null : toRow(first);
    },

    async list(by) {
      let query = db.selectFrom("environments").selectAll().orderBy("created_at").orderBy("id");
      if (by !== SYSTEM) query = query.where("owner", "=", by.owner);
      return (await query.execute()).map(toRow);
    },

    async count(by) {
      const { total } = await db
        .selectFrom("environments")
        .select(({ fn }) => fn.countAll().as("total"))
        .where("owner", "=", by.owner)
        .executeTakeFirstOrThrow();
      return Number(total);
    },

    async listTimed(owners) {
      const found = await db
        .selectFrom("environments")
        .selectAll()
        .where((where) =>
          where.or([
            where("idle_timeout_seconds", "is not", null),
            where("expires_at", "is not", null),
            ...owners.map((owner) => where.and([where("state", "=", "running"), where("owner", "=", owner)])),
          ]),
        )
        .execute();
      return found.map(toRow);
    },

    async transition(id, from, to, patch = {}, only = {}) {
      // PostgreSQL has no empty list.
      if (from.length === 0) return null;
      const change = { from, to, patch, only, server };
      if (to === "running" || !from.includes("running")) return changeState(db, id, change);
      // Its run ends with it, in one transaction.
      return inTransaction(db, async (transaction) => {
        await lockRow(transaction, "environments", id);
        const before = await transaction
          .selectFrom("environments")
          .select(["owner", "running_since"])
          .where("id", "=", id)
          .executeTakeFirst();
        const changed = await changeState(transaction, id, change);
        const since = before?.running_since ?? null;
        if (changed !== null && since !== null && patch.ranUntil !== undefined) {
          await addRun(transaction, changed.owner, { since, until: patch.ranUntil });
        }
        return changed;
      });
    },

    async begin(id, from, patch, at) {
      const row = await db.selectFrom("environments").selectAll().where("id", "=", id).executeTakeFirst();
      if (row === undefined) return null;
      const asked = spendingOfStart(toRow(row));
      // The room is its owner's, and no other's that it is given to meanwhile.
      const change = { from, to: "creating", patch, only: {}, owner: row.owner, server } as const;
      return spend(db, { account: row.owner, asked, now: at }, (within) => changeState(within, id, change)).catch(
        async (error: unknown) => {
          const now = await db.selectFrom("environments").select("state").where("id", "=", id).executeTakeFirst();
          // What the room went to is this one: another has begun it.
          if (now === undefined || !from.includes(now.state)) return null;
          throw error;
        },
      );
    },

    async transfer(id, { only, ...transfer }) {
      const moved = await transferRow(db, id, transfer, isUnchanged(only));
      return moved === null ? null : toRow(moved);
    },

    async setTimes(id, times) {
      const changed = await db
        .updateTable("environments")
        // Something has to be set, also where nothing is to change.
        .set(({ ref }) => ({ id: ref("id"), ...fromTimes(times) }))
        .where("id", "=", id)
        .where("state", "!=", "destroying")
        .returningAll()
        .executeTakeFirst();
      return changed === undefined ? null : toRow(changed);
    },

    async setLimits(id, limits, only) {
      let update = db
        .updateTable("environments")
        .set(({ ref }) => ({ id: ref("id"), ...fromLimits(limits) }))
        .where("id", "=", id);
      if (only !== undefined) update = update.where(isUnchanged(only));
      const changed = await update.returningAll().executeTakeFirst();
      return changed === undefined ? null : toRow(changed);
    },

    async setNetwork(id, network) {
      let update = db
        .updateTable("environments")
        .set({ network: JSON.stringify(network) })
        .where("id", "=", id)
        .where("network", "is not", null)
        .where("state", "!=", "destroying");
      if (server !== null) update = update.where(isFreeFor(server));
      const changed = await update.returningAll().executeTakeFirst();
      return changed === undefined ? null : toRow(changed);
    },

    async setSharedNetwork(id, network, { most, ...only }) {
      return inTransaction(db, async (transaction) => {
        if (network !== null) {
          const others = await countOthers(transaction, id, network);
          if (others === null) return null;
          if (others >= most) throw new PlatformError("TOO_MANY", `a network has ${most} members at most`);
        }
        const changed = await transaction
          .updateTable("environments")
          .set({ shared_network: network })
          .where("id", "=", id)
          .where("network", "is not", null)
          .where(isUnchanged(only))
          .returningAll()
          .executeTakeFirst();
        return changed === undefined ? null : toRow(changed);
      });
    },

    async undoSharedNetwork(id, network, most) {
      await inTransaction(db, async (transaction) => {
        const others = network === null ? null : await countOthers(transaction, id, network);
        const hasRoom = others !== null && others < most;
        await transaction
          .updateTable("environments")
          .set({ shared_network: hasRoom ? network : null })
          .where("id", "=", id)
          .execute();
      });
    },

    async setImage(id, image) {
      const { numUpdatedRows } = await db
        .updateTable("environments")
        .set({ image })
        .where("id", "=", id)
        .where("image", "is", null)
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    },

    async enterStep(id, step) {
      const { numUpdatedRows } = await db
        .updateTable("environments")
        .set({ step })
        .where("id", "=", id)
        .where("state", "=", "creating")
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    },

    async finish(id, owner, receipt) {
      const body = JSON.stringify(receipt);
      const values = { environment: id, owner, name: receipt.name, destroyed_at: receipt.destroyedAt, body };
      const expired = new Date(Date.parse(receipt.destroyedAt) - RECEIPT_LIFETIME_MS).toISOString();
      await inTransaction(db, async (transaction) => {
        const { numDeletedRows } = await transaction
          .deleteFrom("environments")
          .where("id", "=", id)
          .where("owner", "=", owner)
          .where("state", "=", "destroying")
          .executeTakeFirst();
        if (numDeletedRows === 0n) return;
        await transaction.deleteFrom("receipts").where("destroyed_at", "<", expired).execute();
        // An id comes again where an Idempotency-Key does: the newest receipt is the one that is true.
        await transaction
          .insertInto("receipts")
          .values(values)
          .onConflict((conflict) => conflict.column("environment").doUpdateSet(values))
          .execute();
      });
    },

    async receipt(reference, by) {
      let owned = db.selectFrom("receipts").select("body");
      if (by !== SYSTEM) owned = owned.where("owner", "=", by.owner);
      const found =
        (await owned.where("environment", "=", reference).executeTakeFirst()) ??
        (await owned.where("name", "=", reference).orderBy("destroyed_at", "desc").limit(1).executeTakeFirst());
      if (found === undefined) return null;
      const body = JSON.parse(found.body);
      return Receipt.parse({ ...OLDER_RECEIPT, ...body, removed: { ...OLDER_REMOVED, ...body.removed } });
    },
  };
}
