import type { AttemptRepository } from "@microterm/core";
import { type Kysely, sql } from "kysely";
import type { Schema } from "../../schema.ts";

export function createAttemptRepository(db: Kysely<Schema>): AttemptRepository {
  return {
    async count(key, now, windowMs) {
      const ends_at = now + windowMs;
      const { count } = await db
        .insertInto("attempts")
        .values({ key, count: 1, ends_at })
        .onConflict((conflict) =>
          conflict.column("key").doUpdateSet({
            count: sql`case when attempts.ends_at > ${now} then attempts.count + 1 else 1 end`,
            ends_at: sql`case when attempts.ends_at > ${now} then attempts.ends_at else excluded.ends_at end`,
          }),
        )
        .returning("count")
        .executeTakeFirstOrThrow();
      return count;
    },

    async uncount(key, now) {
      await db
        .updateTable("attempts")
        .set({ count: sql`count - 1` })
        .where("key", "=", key)
        .where("ends_at", ">", now)
        .where("count", ">", 0)
        .execute();
    },

    async sweep(now, most) {
      await db.deleteFrom("attempts").where("ends_at", "<=", now).execute();
      const last = await db
        .selectFrom("attempts")
        .select("ends_at")
        .orderBy("ends_at", "desc")
        .limit(1)
        .offset(most)
        .executeTakeFirst();
      if (last !== undefined) await db.deleteFrom("attempts").where("ends_at", "<=", last.ends_at).execute();
    },
  };
}
