import type { QuotaRepository } from "@microterm/core";
import type { AccountId, QuotaLimits, Role } from "@microterm/protocol";
import type { Kysely } from "kysely";
import type { Schema } from "../../schema.ts";
import { countAll } from "./running-days.ts";
import { assertRoomOf, fromLimits, quotaOf, toLimits, usedMsOfAll, useOf } from "./spending.ts";

export function createQuotaRepository(db: Kysely<Schema>): QuotaRepository {
  return {
    async roles() {
      const found = await db.selectFrom("role_quotas").selectAll().execute();
      return Object.fromEntries(found.map((row) => [row.role, toLimits(row)])) as Record<Role, QuotaLimits>;
    },

    async setRole(role, limits) {
      await db.updateTable("role_quotas").set(fromLimits(limits)).where("role", "=", role).execute();
    },

    of: (account) => quotaOf(db, account),

    async setAccount(account, limits) {
      if (limits === null) {
        await db.deleteFrom("account_quotas").where("account", "=", account).execute();
        return;
      }
      const columns = fromLimits(limits);
      await db
        .insertInto("account_quotas")
        .values({ account, ...columns })
        .onConflict((conflict) => conflict.column("account").doUpdateSet(columns))
        .execute();
    },

    use: (account, now) => useOf(db, account, now),
    assertRoom: (account, asked, now) => assertRoomOf(db, account, asked, now),

    async runningAccounts(now) {
      const found = await db
        .selectFrom("environments")
        .innerJoin("accounts", "accounts.id", "environments.owner")
        .innerJoin("role_quotas", "role_quotas.role", "accounts.role")
        .leftJoin("account_quotas", "account_quotas.account", "accounts.id")
        .select(["accounts.id", "role_quotas.hours_per_day as of_role"])
        .select(["account_quotas.account as own", "account_quotas.hours_per_day as of_own"])
        .select(({ fn }) => fn.countAll().as("running"))
        .where("environments.state", "=", "running")
        .groupBy(["accounts.id", "of_role", "own", "of_own"])
        .execute();
      const accounts = found.map(({ id, running, own, of_own, of_role }) => ({
        account: id as AccountId,
        hoursPerDay: own === null ? of_role : of_own,
        running: Number(running),
      }));
      const limited = accounts.filter(({ hoursPerDay }) => hoursPerDay !== null).map(({ account }) => account);
      // In few statements, however many run: this is asked at each change of any environment.
      const used = limited.length === 0 ? new Map<string, number>() : await usedMsOfAll(db, limited, now);
      return accounts.map((one) => ({ ...one, usedMs: used.get(one.account) ?? 0 }));
    },

    countRunning: (now) => countAll(db, now),
  };
}
