import { setTimeout as pause } from "node:timers/promises";
import { PlatformError } from "@microterm/protocol";
import type { Client } from "pg";
import { unavailable } from "./postgres-errors.ts";

/** "mt": the first number of each advisory lock of ours, for a pair of its own among all of a database. */
const OURS = 0x6d74;
/** Of a database's only server exclusively; of each server of a fleet as a shared one, so that the two keep each other out. */
const DATABASE_LOCK = [OURS, 1] as const;
/** First number of the lock that each server of a fleet has of its own: the second one is its own number. */
export const MEMBER_LOCK = OURS + 1;

/** By which the connections of a server that is alone are known in `pg_stat_activity`. */
export const SERVER_NAME = "microterm";
/** Of a server of a fleet that has no number yet. */
export const JOINING_NAME = "microterm-joining";
export const memberName = (number: number): string => `microterm-${number}`;

/** A connection that is told to end has ended by then. */
const END_MS = 3_000;
const END_AGAIN_MS = 10;

type Queries = Pick<Client, "query">;

async function tryLock(client: Queries, call: string, numbers: readonly [number, number]): Promise<boolean> {
  const { rows } = await client.query<{ isOurs: boolean }>(`select ${call}($1, $2) as "isOurs"`, [...numbers]);
  return rows[0]?.isOurs === true;
}

/** For a database's only server. Rejects with `ENVIRONMENT_STATE` where it has another one, or a fleet. */
export async function lockAlone(client: Queries): Promise<void> {
  if (await tryLock(client, "pg_try_advisory_lock", DATABASE_LOCK)) return;
  throw new PlatformError("ENVIRONMENT_STATE", "another microterm server is running on this database");
}

/** For one of a fleet. Rejects with `ENVIRONMENT_STATE` where a server has the database for itself. */
export async function lockShared(client: Queries): Promise<void> {
  if (await tryLock(client, "pg_try_advisory_lock_shared", DATABASE_LOCK)) return;
  const message = "a microterm server that is of no fleet is running on this database: start it with --fleet, too";
  throw new PlatformError("ENVIRONMENT_STATE", message);
}

/** For as long as the connection lives. False: somebody has that number. */
export const lockMember = (client: Queries, number: number): Promise<boolean> =>
  tryLock(client, "pg_try_advisory_lock", [MEMBER_LOCK, number]);

/**
 * Ends all other connections of a name, which a regular expression matches. A database that was stopped still has statements in its
 * sockets, and would execute them when it continues; so has one of a server that was stopped, after others have taken its place.
 */
export async function endConnections(client: Queries, name: string): Promise<void> {
  for (const deadline = Date.now() + END_MS; ; await pause(END_AGAIN_MS)) {
    const { rows } = await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = current_user
       and application_name ~ $1 and pid <> pg_backend_pid()`,
      [`^${name}$`],
    );
    if (rows.length === 0) return;
    if (Date.now() > deadline) throw unavailable(new Error("earlier connections do not end"));
  }
}
