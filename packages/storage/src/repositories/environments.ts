import type {
  EnvironmentPatch,
  EnvironmentRepository,
  EnvironmentRow,
  EnvironmentTimes,
  KnownState,
  LimitChoices,
} from "@microterm/core";
import {
  type EnvironmentId,
  type MachineId,
  type NetworkId,
  NetworkPolicy,
  type OwnerId,
  PlatformError,
  Receipt,
} from "@microterm/protocol";
import type { Expression, ExpressionBuilder, Kysely, Selectable, SqlBool, Transaction, Updateable } from "kysely";
import type { EnvironmentsTable, Schema } from "../schema.ts";
import { lockRow } from "./lock-row.ts";

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

export function createEnvironmentRepository(db: Kysely<Schema>): EnvironmentRepository {
  return {
    async insert(row) {
      const { numInsertedOrUpdatedRows } = await db
        .insertInto("environments")
        .values(fromRow(row))
        .onConflict((conflict) => conflict.columns(["owner", "name"]).doNothing())
        .executeTakeFirst();
      if (numInsertedOrUpdatedRows === 0n) {
        throw new PlatformError("NAME_TAKEN", `an environment named '${row.name}' exists already`, {
          details: { name: row.name },
        });
      }
    },

    async get(id, owner) {
      let query = db.selectFrom("environments").selectAll().where("id", "=", id);
      if (owner !== undefined) query = query.where("owner", "=", owner);
      const found = await query.executeTakeFirst();
      return found === undefined ? null : toRow(found);
    },

    async find(reference, owner) {
      const owned = db.selectFrom("environments").selectAll().where("owner", "=", owner);
      const named = await owned.where("name", "=", reference).executeTakeFirst();
      if (named !== undefined) return toRow(named);
      // Only what can be an id: `%` and `_` must not act as patterns.
      if (reference.length < SHORTEST_PREFIX || !/^[a-z0-9]{1,12}$/.test(reference)) return null;
      const [first, second] = await owned.where("id", "like", `${reference}%`).limit(2).execute();
      return first === undefined || second !== undefined ? null : toRow(first);
    },

    async list(owner) {
      let query = db.selectFrom("environments").selectAll().orderBy("created_at").orderBy("id");
      if (owner !== undefined) query = query.where("owner", "=", owner);
      return (await query.execute()).map(toRow);
    },

    async count(owner) {
      const { total } = await db
        .selectFrom("environments")
        .select(({ fn }) => fn.countAll().as("total"))
        .where("owner", "=", owner)
        .executeTakeFirstOrThrow();
      return Number(total);
    },

    async listTimed() {
      const found = await db
        .selectFrom("environments")
        .selectAll()
        .where((where) =>
          where.or([where("idle_timeout_seconds", "is not", null), where("expires_at", "is not", null)]),
        )
        .execute();
      return found.map(toRow);
    },

    async transition(id, from, to, patch = {}, only = {}) {
      let update = db
        .updateTable("environments")
        .set({ state: to, ...fromPatch(patch) })
        .where("id", "=", id)
        .where("state", "in", [...from]);
      const known = Object.entries({ ...fromPatch(only), ...fromTimes(only) });
      for (const [column, value] of known as [keyof EnvironmentsTable, string | number | null][]) {
        update = value === null ? update.where(column, "is", null) : update.where(column, "=", value);
      }
      const changed = await update.returningAll().executeTakeFirst();
      return changed === undefined ? null : toRow(changed);
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
      const changed = await db
        .updateTable("environments")
        .set({ network: JSON.stringify(network) })
        .where("id", "=", id)
        .where("network", "is not", null)
        .where("state", "!=", "destroying")
        .returningAll()
        .executeTakeFirst();
      return changed === undefined ? null : toRow(changed);
    },

    async setSharedNetwork(id, network, { most, ...only }) {
      return db.transaction().execute(async (transaction) => {
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
      await db.transaction().execute(async (transaction) => {
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
      await db.transaction().execute(async (transaction) => {
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

    async receipt(reference, owner) {
      const owned = db.selectFrom("receipts").select("body").where("owner", "=", owner);
      const found =
        (await owned.where("environment", "=", reference).executeTakeFirst()) ??
        (await owned.where("name", "=", reference).orderBy("destroyed_at", "desc").limit(1).executeTakeFirst());
      if (found === undefined) return null;
      const body = JSON.parse(found.body);
      return Receipt.parse({ ...OLDER_RECEIPT, ...body, removed: { ...OLDER_REMOVED, ...body.removed } });
    },
  };
}

function toRow(stored: Selectable<EnvironmentsTable>): EnvironmentRow {
  return {
    id: stored.id as EnvironmentId,
    name: stored.name,
    owner: stored.owner as OwnerId,
    state: stored.state,
    operation: stored.operation,
    step: stored.step,
    interruptions: stored.interruptions,
    reason: stored.reason,
    driver: stored.driver,
    memoryMib: stored.memory_mib,
    cpus: stored.cpus,
    diskMib: stored.disk_mib,
    limits: {
      cpuQuotaPercent: stored.cpu_quota_percent,
      cpuWeight: stored.cpu_weight,
      diskMibPerSecond: stored.disk_mib_per_second,
      diskOperationsPerSecond: stored.disk_operations_per_second,
    },
    size: stored.size,
    machineId: stored.machine_id as MachineId | null,
    diskId: stored.disk_id,
    image: stored.image,
    network: stored.network === null ? null : NetworkPolicy.parse(JSON.parse(stored.network)),
    sharedNetwork: stored.shared_network as NetworkId | null,
    snapshotId: stored.save_id,
    idleTimeoutSeconds: stored.idle_timeout_seconds,
    expiresAt: stored.expires_at,
    createdAt: stored.created_at,
  };
}

function fromRow(row: EnvironmentRow): EnvironmentsTable {
  return {
    id: row.id,
    name: row.name,
    owner: row.owner,
    state: row.state,
    operation: row.operation,
    step: row.step,
    interruptions: row.interruptions,
    reason: row.reason,
    driver: row.driver,
    memory_mib: row.memoryMib,
    cpus: row.cpus,
    disk_mib: row.diskMib,
    cpu_quota_percent: row.limits.cpuQuotaPercent,
    cpu_weight: row.limits.cpuWeight,
    disk_mib_per_second: row.limits.diskMibPerSecond,
    disk_operations_per_second: row.limits.diskOperationsPerSecond,
    size: row.size,
    machine_id: row.machineId,
    disk_id: row.diskId,
    image: row.image,
    network: row.network === null ? null : JSON.stringify(row.network),
    shared_network: row.sharedNetwork,
    save_id: row.snapshotId,
    idle_timeout_seconds: row.idleTimeoutSeconds,
    expires_at: row.expiresAt,
    created_at: row.createdAt,
  };
}

function fromTimes({ idleTimeoutSeconds, expiresAt }: EnvironmentTimes): Updateable<EnvironmentsTable> {
  return {
    ...(idleTimeoutSeconds === undefined ? {} : { idle_timeout_seconds: idleTimeoutSeconds }),
    ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
  };
}

function fromLimits(limits: Partial<LimitChoices>): Updateable<EnvironmentsTable> {
  const { cpuQuotaPercent, cpuWeight, diskMibPerSecond, diskOperationsPerSecond } = limits;
  return {
    ...(cpuQuotaPercent === undefined ? {} : { cpu_quota_percent: cpuQuotaPercent }),
    ...(cpuWeight === undefined ? {} : { cpu_weight: cpuWeight }),
    ...(diskMibPerSecond === undefined ? {} : { disk_mib_per_second: diskMibPerSecond }),
    ...(diskOperationsPerSecond === undefined ? {} : { disk_operations_per_second: diskOperationsPerSecond }),
  };
}

/** A key that is absent leaves its column alone; null clears it. */
function fromPatch(patch: EnvironmentPatch): Updateable<EnvironmentsTable> {
  return {
    ...(patch.operation === undefined ? {} : { operation: patch.operation }),
    ...(patch.step === undefined ? {} : { step: patch.step }),
    ...(patch.interruptions === undefined ? {} : { interruptions: patch.interruptions }),
    ...(patch.reason === undefined ? {} : { reason: patch.reason }),
    ...(patch.machineId === undefined ? {} : { machine_id: patch.machineId }),
    ...(patch.diskId === undefined ? {} : { disk_id: patch.diskId }),
    ...(patch.snapshotId === undefined ? {} : { save_id: patch.snapshotId }),
  };
}
