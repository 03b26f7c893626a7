import type { ConsoleRepository } from "@microterm/core";
import type { Kysely } from "kysely";
import type { Schema } from "../../schema.ts";
import { inTransaction } from "../in-transaction.ts";
import { lockRow } from "../lock-row.ts";

export function createConsoleRepository(db: Kysely<Schema>): ConsoleRepository {
  return {
    async get(environment) {
      const found = db.selectFrom("consoles").select("bytes").where("environment", "=", environment);
      return (await found.executeTakeFirst())?.bytes ?? null;
    },

    put: (environment, bytes) =>
      inTransaction(db, async (transaction) => {
        if (!(await lockRow(transaction, "environments", environment))) return;
        await transaction
          .insertInto("consoles")
          .values({ environment, bytes })
          .onConflict((conflict) => conflict.column("environment").doUpdateSet({ bytes }))
          .execute();
      }),

    async remove(environment) {
      await db.deleteFrom("consoles").where("environment", "=", environment).execute();
    },
  };
}
