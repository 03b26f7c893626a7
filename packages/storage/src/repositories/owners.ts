import type { OwnerRepository } from "@microterm/core";
import type { OwnerId } from "@microterm/protocol";
import type { Kysely } from "kysely";
import type { Schema } from "../schema.ts";

export function createOwnerRepository(db: Kysely<Schema>): OwnerRepository {
  const oldest = () =>
    db.selectFrom("owners").select("id").orderBy("created_at").orderBy("id").limit(1).executeTakeFirst();

  async function insert(owner: OwnerId, now: string): Promise<void> {
    await db
      .insertInto("owners")
      .values({ id: owner, created_at: now })
      .onConflict((conflict) => conflict.column("id").doNothing())
      .execute();
  }

  return {
    insert,
    async ensureFirst(candidate, now) {
      const first = await oldest();
      if (first !== undefined) return first.id as OwnerId;
      await insert(candidate, now);
      // Asked again: another server may have made its own candidate first.
      return ((await oldest())?.id ?? candidate) as OwnerId;
    },
  };
}
