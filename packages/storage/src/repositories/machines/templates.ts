import type { TemplateRepository } from "@microterm/core";
import type { Kysely } from "kysely";
import type { Schema } from "../../schema.ts";

export function createTemplateRepository(db: Kysely<Schema>): TemplateRepository {
  return {
    async buildVersionOf(key) {
      const found = await db.selectFrom("templates").select("recipe").where("key", "=", key).executeTakeFirst();
      return found?.recipe ?? null;
    },
    async made(key, buildVersion) {
      await db
        .insertInto("templates")
        .values({ key, recipe: buildVersion })
        .onConflict((conflict) => conflict.column("key").doUpdateSet({ recipe: buildVersion }))
        .execute();
    },
    async forget(key) {
      await db.deleteFrom("templates").where("key", "=", key).execute();
    },
  };
}
