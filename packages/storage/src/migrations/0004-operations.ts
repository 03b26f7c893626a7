import { type Kysely, sql } from "kysely";

/** As they were when this was written: a migration does not follow what comes later. */
const STEPS = ["claim", "restore", "resume", "disk", "machine", "kernel", "agent", "terminal"];

interface Old {
  readonly id: string;
  readonly state: string;
  readonly reason: string | null;
  readonly save_id: string | null;
}

interface New {
  readonly operation: string | null;
  readonly step: string | null;
  readonly interruptions: number;
  readonly reason: string | null;
}

/** What is being done to an environment, out of the sentence that said so until now. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const table = () => db.schema.alterTable("environments");
  await table().addColumn("operation", "varchar(16)").execute();
  await table().addColumn("step", "varchar(16)").execute();
  await table()
    .addColumn("interruptions", "integer", (column) => column.notNull().defaultTo(0))
    .execute();
  const { rows } = await sql<Old>`select id, state, reason, save_id from environments`.execute(db);
  for (const row of rows) {
    const { operation, step, interruptions, reason } = convert(row);
    await sql`update environments
      set operation = ${operation}, step = ${step}, interruptions = ${interruptions}, reason = ${reason}
      where id = ${row.id}`.execute(db);
  }
}

function convert({ state, reason, save_id }: Old): New {
  const rest = { operation: null, step: null, interruptions: 0, reason };
  switch (state) {
    case "creating": {
      // `kernel (resumed after a restart; second attempt: …)`. What follows the first words may be a guest's.
      const [, step = "", remark] = /^([a-z]+)(?: \((.*)\))?$/s.exec(reason ?? "") ?? [];
      return {
        operation: save_id === null ? "start" : "resume",
        step: STEPS.includes(step) ? step : null,
        interruptions: /^resumed after a restart(?:;|$)/.test(remark ?? "") ? 1 : 0,
        reason: remark ?? null,
      };
    }
    case "running":
      if (reason === "stopping") return { ...rest, operation: "stop", reason: null };
      if (reason === "pausing") return { ...rest, operation: "pause", reason: null };
      return rest;
    case "destroying":
      return { ...rest, operation: "destroy" };
    case "paused":
    case "stopped":
      // What its owner asked for needs no reason.
      return reason === `${state} by its owner` ? { ...rest, reason: null } : rest;
    default:
      return rest;
  }
}
