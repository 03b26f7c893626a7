import type { Client } from "pg";
import { endConnections, memberName } from "../server-locks.ts";
import type { DeadPeer } from "./liveness.ts";
import { CHANNEL, encodeNotice } from "./notices.ts";

type Queries = Pick<Client, "query">;

/** Numbers of servers that are no more, and that something still names. */
const GONE = `
  select server as number from environments
    where server is not null and not exists (select from servers where number = server)
  union
  select server from pool_machines where not exists (select from servers where number = server)`;

/** That it has died is told again once its last statement has ended, where it held something. */
const DECLARE_DEAD = `
  with gone as (delete from servers where number = $1 and seen_at = $2 returning number)
  select pg_notify('${CHANNEL}', $3) from gone`;

/**
 * Declares a peer dead, unless it was heard of since it was judged. From then on it can do nothing more: its connections are ended before what it
 * held is free, and it opens none without its row. False: it lives, or another server was faster.
 */
export async function declareDead(client: Queries, { number, seenAt }: DeadPeer): Promise<boolean> {
  const { rowCount } = await client.query(DECLARE_DEAD, [number, seenAt, encodeNotice(number, { kind: "died" })]);
  return rowCount === 1;
}

/**
 * Frees what servers held that are no more. Safe to repeat, and by several at once: one that dies between the two steps of a takeover leaves the
 * second to others.
 */
export async function freeOrphans(client: Queries): Promise<void> {
  const { rows } = await client.query<{ number: number }>(GONE);
  for (const { number } of rows) {
    await endConnections(client, memberName(number));
    await free(client, number, tell(number, "died"));
  }
}

/** Leaves all that a server holds to its peers. */
export const leave = (client: Queries, number: number): Promise<void> =>
  free(client, number, `delete from servers where number = ${number};`);

/** In one transaction with what tells all that there is something to claim: none of it is forgotten, whoever dies when. */
async function free(client: Queries, number: number, more: string): Promise<void> {
  await client.query(`
    begin;
    update environments set server = null where server = ${number};
    delete from pool_machines where server = ${number};
    ${more}
    ${tell(number, "orphans")}
    commit`);
}

const tell = (number: number, kind: "orphans" | "died"): string =>
  `select pg_notify('${CHANNEL}', '${encodeNotice(number, { kind })}');`;

/**
 * Ends what is left of a fleet, for a server that has the database for itself from now on: as a takeover of all of them. `epoch` is raised for
 * guests that one of them still has a connection to. There may be no tables yet: the database is migrated after this.
 */
export async function endFleet(client: Queries, connections: string): Promise<void> {
  const { rows } = await client.query<{ isMigrated: boolean }>(
    `select to_regclass('servers') is not null as "isMigrated"`,
  );
  const isMigrated = rows[0]?.isMigrated === true;
  if (isMigrated) await client.query("delete from servers");
  await endConnections(client, connections);
  if (!isMigrated) return;
  await client.query(`
    begin;
    update environments set server = null, epoch = epoch + 1 where server is not null;
    delete from pool_machines;
    commit`);
}
