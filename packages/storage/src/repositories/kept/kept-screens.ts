import type { KeptScreenRepository } from "@microterm/core";
import type { Kysely } from "kysely";
import type { Schema } from "../../schema.ts";
import { inTransaction } from "../in-transaction.ts";
import { lockRow } from "../lock-row.ts";

export function createKeptScreenRepository(db: Kysely<Schema>): KeptScreenRepository {
  return {
    async get({ environment, terminal }) {
      const found = await db
        .selectFrom("kept_screens")
        .selectAll()
        .where("environment", "=", environment)
        .where("terminal", "=", terminal)
        .executeTakeFirst();
      if (found === undefined) return null;
      const { created_unix_ms: createdUnixMs, output_offset, bytes } = found;
      return { environment, terminal, createdUnixMs, offset: BigInt(output_offset), bytes };
    },

    put: ({ environment, terminal, createdUnixMs, offset, bytes }) =>
      inTransaction(db, async (transaction) => {
        if (!(await lockRow(transaction, "environments", environment))) return;
        const screen = { created_unix_ms: createdUnixMs, output_offset: `${offset}`, bytes };
        await transaction
          .insertInto("kept_screens")
          .values({ environment, terminal, ...screen })
          .onConflict((conflict) => conflict.columns(["environment", "terminal"]).doUpdateSet(screen))
          .execute();
      }),

    async remove({ environment, terminal }) {
      await db
        .deleteFrom("kept_screens")
        .where("environment", "=", environment)
        .where("terminal", "=", terminal)
        .execute();
    },

    async prune(environment, terminals) {
      let others = db.deleteFrom("kept_screens").where("environment", "=", environment);
      if (terminals.length > 0) others = others.where("terminal", "not in", terminals);
      await others.execute();
    },
  };
}
