import type { AdminActMade, AdminActRepository } from "@microterm/core";
import type { EnvironmentId } from "@microterm/protocol";
import type { Kysely } from "kysely";
import type { Schema } from "../schema.ts";

export function createAdminActRepository(db: Kysely<Schema>): AdminActRepository {
  const insert = db
    .insertInto("admin_acts")
    .columns(["id", "kind", "at", "owner", "admin_name", "environment", "environment_name", "recipient_name"]);
  const adminOf = ({ admin }: AdminActMade) => db.selectFrom("accounts as admin").where("admin.id", "=", admin);

  return {
    async lookedIn(act) {
      await insert
        .expression(
          adminOf(act)
            .innerJoin("environments as seen", (join) => join.on("seen.id", "=", act.environment))
            .whereRef("seen.owner", "!=", "admin.id")
            .select(({ val, ref, lit }) => [
              val(act.id).as("id"),
              val("look-in").as("kind"),
              val(act.at).as("at"),
              ref("seen.owner").as("owner"),
              ref("admin.name").as("admin_name"),
              ref("seen.id").as("environment"),
              ref("seen.name").as("environment_name"),
              lit(null).as("recipient_name"),
            ]),
        )
        .execute();
    },
    async transferred(act) {
      if (act.owner === act.admin) return;
      await insert
        .expression(
          adminOf(act)
            .innerJoin("accounts as recipient", (join) => join.on("recipient.id", "=", act.recipient))
            .select(({ val, ref, lit }) => [
              val(act.id).as("id"),
              val("transfer").as("kind"),
              val(act.at).as("at"),
              val(act.owner).as("owner"),
              ref("admin.name").as("admin_name"),
              lit(null).as("environment"),
              val(act.environmentName).as("environment_name"),
              ref("recipient.name").as("recipient_name"),
            ]),
        )
        .execute();
    },
    async list(owner, limit) {
      const found = await db
        .selectFrom("admin_acts")
        .selectAll()
        .where("owner", "=", owner)
        .orderBy("at", "desc")
        .orderBy("id")
        .limit(limit)
        .execute();
      return found.map(({ id, kind, at, admin_name, environment, environment_name, recipient_name }) => ({
        ...{ id, kind, at, admin: admin_name },
        ...{ environment: environment as EnvironmentId | null, environmentName: environment_name },
        recipient: recipient_name,
      }));
    },
  };
}
