import type { Fleet } from "@microterm/core";
import type { MachineId } from "@microterm/protocol";
import { type Kysely, sql } from "kysely";
import type { Schema } from "../../schema.ts";
import type { Membership } from "./membership.ts";
import type { Outbox } from "./outbox.ts";

/** Few enough for all servers to get some, and enough for one that is alone to be through soon. */
const LEAST_SHARE = 16;

/** The fleet as a member of it sees it. */
export function createPostgresFleet(
  db: Kysely<Schema>,
  { number, membership, outbox }: { readonly number: number; readonly membership: Membership; readonly outbox: Outbox },
): Fleet {
  return {
    number,
    peers: () => membership.peers,
    async peer(asked) {
      if (asked === number) return null;
      const known = membership.peers.find((peer) => peer.number === asked);
      if (known !== undefined) return known;
      const found = db.selectFrom("servers").select(["number", "address"]).where("number", "=", asked);
      return (await found.executeTakeFirst()) ?? null;
    },
    notify: (notice) => outbox.add(notice),
    subscribe: (listener) => membership.subscribe(listener),
    claim: () => claim(db, number, membership.peers.length + 1),
    pooled: {
      async add(machine) {
        await db.insertInto("pool_machines").values({ machine, server: number }).execute();
      },
      async remove(machine) {
        await db.deleteFrom("pool_machines").where("machine", "=", machine).execute();
      },
      async list() {
        const rows = await db.selectFrom("pool_machines").select("machine").execute();
        return rows.map(({ machine }) => machine as MachineId);
      },
    },
  };
}

/** Of what all servers of a fleet claim at once, each gets about the same. In a transaction, whose commit is durable. */
async function claim(db: Kysely<Schema>, number: number, servers: number): Promise<number> {
  return db.transaction().execute(async (transaction) => {
    const { rows } = await sql<{ id: string }>`
      update environments set server = ${number}, epoch = epoch + 1 where id in (
        select id from environments where server is null and state not in ('stopped', 'paused', 'failed')
        order by created_at, id
        limit greatest(${LEAST_SHARE}::bigint, (
          select count(*) / ${servers}::bigint + 1 from environments
          where server is null and state not in ('stopped', 'paused', 'failed')
        ))
        for update skip locked
      ) returning id`.execute(transaction);
    return rows.length;
  });
}
