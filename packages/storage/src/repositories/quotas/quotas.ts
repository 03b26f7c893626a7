import type { QuotaRepository, RunningAccount } from "@microterm/core";
import type { AccountId, QuotaLimits, Role } from "@microterm/protocol";
import type { Kysely } from "kysely";
import type { Schema } from "../../schema.ts";
import { countAll } from "./running-days.ts";
import { assertRoomOf, fromLimits, quotaOf, toLimits, usedMsOf, useOf } from "./spending.ts";

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
      const owners = await db
        .selectFrom("environments")
        .innerJoin("accounts", "accounts.id", "environments.owner")
        .select("accounts.id")
        .select(({ fn }) => fn.countAll().as("running"))
        .where("environments.state", "=", "running")
        .groupBy("accounts.id")
        .execute();
      const found: RunningAccount[] = [];
      for (const { id, running } of owners) {
        const hoursPerDay = (await quotaOf(db, id))?.limits.hoursPerDay ?? null;
        found.push({
          account: id as AccountId,
          hoursPerDay,
          usedMs: hoursPerDay === null ? 0 : await usedMsOf(db, id, now),
          running: Number(running),
        });
      }
      return found;
    },

    countRunning: (now) => countAll(db, now),
  };
}
