import type { MachinePins } from "@microterm/core";
import { MachineId } from "@microterm/protocol";
import type { Kysely } from "kysely";
import type { Schema } from "../../schema.ts";

export function createMachinePins(db: Kysely<Schema>): MachinePins {
  return {
    async set(machine, fingerprint) {
      await db
        .insertInto("machine_pins")
        .values({ machine, fingerprint })
        .onConflict((conflict) => conflict.column("machine").doUpdateSet({ fingerprint }))
        .execute();
    },
    async get(machine) {
      const pins = db.selectFrom("machine_pins").select("fingerprint").where("machine", "=", machine);
      return (await pins.executeTakeFirst())?.fingerprint ?? null;
    },
    async list() {
      const rows = await db.selectFrom("machine_pins").select("machine").orderBy("machine").execute();
      return rows.map(({ machine }) => MachineId.parse(machine));
    },
    async remove(machine) {
      await db.deleteFrom("machine_pins").where("machine", "=", machine).execute();
    },
  };
}
