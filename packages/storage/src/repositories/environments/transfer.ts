import { spendingOfTransfer, type Transfer } from "@microterm/core";
import { PlatformError } from "@microterm/protocol";
import type { Expression, ExpressionBuilder, Kysely, Selectable, SqlBool } from "kysely";
import type { EnvironmentsTable, Schema } from "../../schema.ts";
import { inTransaction } from "../in-transaction.ts";
import { lockRow } from "../lock-row.ts";
import { addRun } from "../quotas/running-days.ts";
import { assertRoomOf } from "../quotas/spending.ts";
import { toRow } from "./environment-rows.ts";

/** Null when it is not `from`'s, or not as `isUnchanged` says. */
export async function transferRow(
  db: Kysely<Schema>,
  id: string,
  { from, to, name, at, isForced }: Omit<Transfer, "only">,
  isUnchanged: (where: ExpressionBuilder<Schema, "environments">) => Expression<SqlBool>,
): Promise<Selectable<EnvironmentsTable> | null> {
  return inTransaction(db, async (transaction) => {
    // In one order, in whichever direction it is given: two transfers must not wait for each other.
    for (const account of [from, to].sort()) await lockRow(transaction, "accounts", account);
    // Nothing that opens its previews comes meanwhile; the lock of its owner keeps shares from coming.
    await lockRow(transaction, "environments", id);
    const before = await transaction
      .selectFrom("environments")
      .selectAll()
      .where("id", "=", id)
      .where("owner", "=", from)
      .where(isUnchanged)
      .executeTakeFirst();
    if (before === undefined) return null;
    const taken = transaction.selectFrom("environments").select("id").where("owner", "=", to).where("name", "=", name);
    if (from !== to && (await taken.executeTakeFirst()) !== undefined) {
      throw new PlatformError("NAME_TAKEN", `its new owner has an environment named '${name}' already`, {
        details: { name },
      });
    }
    if (!isForced) {
      await assertRoomOf(transaction, to, spendingOfTransfer(toRow(before)), at);
    }
    const since = before.running_since;
    if (since !== null) await addRun(transaction, from, { since, until: at });
    // What its owner of before has let others at.
    for (const table of ["preview_grants", "shares"] as const) {
      await transaction.deleteFrom(table).where("environment", "=", id).execute();
    }
    const moved = await transaction
      .updateTable("environments")
      .set({ owner: to, name, shared_network: null, running_since: since === null ? null : at })
      .where("id", "=", id)
      .where("owner", "=", from)
      .where(isUnchanged)
      .returningAll()
      .executeTakeFirst();
    return moved ?? null;
  });
}
