import { dayOf, secondsByDay } from "@microterm/core";
import type { Kysely, Transaction } from "kysely";
import type { Schema } from "../../schema.ts";
import { inTransaction } from "../in-transaction.ts";
import { lockRow } from "../lock-row.ts";

/** Servers whose clocks differ a little may write into the day before. */
const KEPT_MS = 2 * 86_400_000;

/** Adds a run to its account's days. */
export async function addRun(
  db: Kysely<Schema>,
  account: string,
  { since, until }: { readonly since: string; readonly until: string },
): Promise<void> {
  for (const [day, seconds] of secondsByDay(since, until)) {
    await db
      .insertInto("running_days")
      .values({ account, day, seconds })
      .onConflict((conflict) =>
        conflict
          .columns(["account", "day"])
          .doUpdateSet((eb) => ({ seconds: eb("running_days.seconds", "+", seconds) })),
      )
      .execute();
  }
}

/** Counts whole seconds of all that run, each in a transaction of its own; what is left of a second is counted with those that follow. */
export async function countAll(db: Kysely<Schema>, now: string): Promise<void> {
  // Of a server of before, or one whose end nobody saw.
  await db
    .updateTable("environments")
    .set({ running_since: now })
    .where("state", "=", "running")
    .where("running_since", "is", null)
    .execute();
  const running = await db.selectFrom("environments").select("id").where("running_since", "is not", null).execute();
  for (const { id } of running) await inTransaction(db, (transaction) => countOne(transaction, id, now));
  const old = dayOf(new Date(Date.parse(now) - KEPT_MS).toISOString());
  await db.deleteFrom("running_days").where("day", "<", old).execute();
}

async function countOne(transaction: Transaction<Schema>, id: string, now: string): Promise<void> {
  await lockRow(transaction, "environments", id);
  const row = await transaction
    .selectFrom("environments")
    .select(["owner", "running_since"])
    .where("id", "=", id)
    .executeTakeFirst();
  const since = row?.running_since ?? null;
  if (row === undefined || since === null) return;
  const seconds = Math.floor((Date.parse(now) - Date.parse(since)) / 1000);
  if (seconds <= 0) return;
  const until = new Date(Date.parse(since) + seconds * 1000).toISOString();
  await addRun(transaction, row.owner, { since, until });
  await transaction.updateTable("environments").set({ running_since: until }).where("id", "=", id).execute();
}
