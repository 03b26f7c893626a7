import {
  type AccountQuotaRow,
  assertRoom,
  dayOf,
  isUnlimited,
  msOfDay,
  type Spending,
  type StoredUse,
} from "@microterm/core";
import type { QuotaLimits } from "@microterm/protocol";
import type { Kysely } from "kysely";
import type { QuotaColumns, Schema } from "../../schema.ts";
import { inTransaction } from "../in-transaction.ts";
import { lockRow } from "../lock-row.ts";

const HOUR_MS = 3_600_000;

/** Null: there is no such account. */
export async function quotaOf(db: Kysely<Schema>, account: string): Promise<AccountQuotaRow | null> {
  const own = await db.selectFrom("account_quotas").selectAll().where("account", "=", account).executeTakeFirst();
  if (own !== undefined) return { limits: toLimits(own), isOwn: true };
  const ofRole = await db
    .selectFrom("role_quotas")
    .innerJoin("accounts", "accounts.role", "role_quotas.role")
    .selectAll("role_quotas")
    .where("accounts.id", "=", account)
    .executeTakeFirst();
  return ofRole === undefined ? null : { limits: toLimits(ofRole), isOwn: false };
}

export async function useOf(db: Kysely<Schema>, account: string, now: string): Promise<StoredUse> {
  const rows = await db
    .selectFrom("environments")
    .select(["state", "memory_mib", "cpus", "disk_mib", "save_id", "running_since"])
    .where("owner", "=", account)
    .execute();
  const running = rows.filter(({ state }) => state === "creating" || state === "running");
  const sum = (of: readonly (typeof rows)[number][], amount: (row: (typeof rows)[number]) => number): number =>
    of.reduce((total, row) => total + amount(row), 0);
  return {
    environments: rows.length,
    running: running.length,
    memoryMib: sum(running, (row) => row.memory_mib),
    cpus: sum(running, (row) => row.cpus),
    diskMib: sum(rows, (row) => row.disk_mib + (row.save_id === null ? 0 : row.memory_mib)),
    hoursPerDay: (await usedMsOf(db, account, now)) / HOUR_MS,
  };
}

/** Running time of the day of `now`, of all environments of an account together. */
export async function usedMsOf(db: Kysely<Schema>, account: string, now: string): Promise<number> {
  return (await usedMsOfAll(db, [account], now)).get(account) ?? 0;
}

/** The same of several accounts. */
export async function usedMsOfAll(
  db: Kysely<Schema>,
  accounts: readonly string[],
  now: string,
): Promise<ReadonlyMap<string, number>> {
  const used = new Map<string, number>();
  const add = (account: string, ms: number) => used.set(account, (used.get(account) ?? 0) + ms);
  const counted = await db
    .selectFrom("running_days")
    .select(["account", "seconds"])
    .where("account", "in", accounts)
    .where("day", "=", dayOf(now))
    .execute();
  for (const { account, seconds } of counted) add(account, seconds * 1000);
  const open = await db
    .selectFrom("environments")
    .select(["owner", "running_since"])
    .where("owner", "in", accounts)
    .where("running_since", "is not", null)
    .execute();
  for (const { owner, running_since } of open) add(owner, msOfDay(running_since ?? now, now));
  return used;
}

/** Rejects with `QUOTA_EXCEEDED`. */
export async function assertRoomOf(db: Kysely<Schema>, account: string, asked: Spending, now: string): Promise<void> {
  const quota = await quotaOf(db, account);
  if (quota === null || isUnlimited(quota.limits)) return;
  assertRoom(quota.limits, await useOf(db, account, now), asked);
}

export interface Spent {
  readonly account: string;
  readonly asked: Spending;
  readonly now: string;
}

/** Does what takes of an account's quota, where that has room. Others that take of it wait meanwhile; of one without limits, none does. */
export async function spend<T>(
  db: Kysely<Schema>,
  { account, asked, now }: Spent,
  act: (db: Kysely<Schema>) => Promise<T>,
): Promise<T> {
  const quota = await quotaOf(db, account);
  if (quota === null || isUnlimited(quota.limits)) return act(db);
  return inTransaction(db, async (transaction) => {
    await lockRow(transaction, "accounts", account);
    await assertRoomOf(transaction, account, asked, now);
    return act(transaction);
  });
}

export function toLimits(stored: QuotaColumns): QuotaLimits {
  return {
    environments: stored.environments,
    running: stored.running,
    memoryMib: stored.memory_mib,
    cpus: stored.cpus,
    diskMib: stored.disk_mib,
    recordingsMib: stored.recordings_mib,
    hoursPerDay: stored.hours_per_day,
  };
}

export function fromLimits(limits: QuotaLimits): QuotaColumns {
  return {
    environments: limits.environments,
    running: limits.running,
    memory_mib: limits.memoryMib,
    cpus: limits.cpus,
    disk_mib: limits.diskMib,
    recordings_mib: limits.recordingsMib,
    hours_per_day: limits.hoursPerDay,
  };
}
