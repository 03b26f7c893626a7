import { Socket } from "node:net";
import type { Log } from "@microterm/core";
import { PlatformError } from "@microterm/protocol";
import type { Client, ClientConfig } from "pg";
import { explain, unavailable } from "./postgres-errors.ts";
import { type Availability, SERVER_NAME } from "./postgres-pool.ts";

type Pg = typeof import("pg");

/** "mt" and the number of what is locked: a pair of its own among all advisory locks of a database. */
const SERVER_LOCK = [0x6d74, 1] as const;
/** A connection of a server that was killed a moment ago is closed by then. */
const PATIENCE_MS = 3_000;
const AGAIN_MS = 500;

/** A connection that is told to end has ended by then. */
const END_MS = 3_000;
const END_AGAIN_MS = 10;

export interface DatabaseWatch extends Availability {
  close(): Promise<void>;
}

export interface WatchOptions {
  readonly config: ClientConfig;
  readonly log: Log;
  /** Takes the database for itself. False: others may use it beside this. */
  readonly isExclusive: boolean;
  /** After it was away. */
  onReturn(): void;
}

/**
 * Holds a connection of its own for as long as the storage is open. It has the advisory lock that makes this the database's only server
 * (decision 0036), and it is by it that the database's return is found out: nothing is asked of the database before the lock is this
 * server's again, as another one may have begun to work on its rows meanwhile.
 *
 * Rejects with `ENVIRONMENT_STATE` where another server has the lock, and with `DATABASE_UNAVAILABLE`.
 */
export async function watchDatabase(pg: Pg, options: WatchOptions): Promise<DatabaseWatch> {
  const { config, log, isExclusive, onReturn } = options;
  const closing = new AbortController();
  let socket: Socket | null = null;
  let away: PlatformError | null = null;
  let returning: Promise<void> = Promise.resolve();
  let returns = 0;

  async function open(): Promise<Socket> {
    // Of our own, so that it can be closed without a word: a server that is stopped would not answer the goodbye.
    const made = new Socket();
    const client = new pg.Client({ ...config, stream: made });
    client.on("error", (error) => {
      if (made === socket) lost(error);
    });
    try {
      await client.connect();
      if (isExclusive) {
        await lock(client);
        await endEarlier(client);
      }
      return made;
    } catch (error) {
      made.destroy();
      throw explain(error).error;
    }
  }

  function lost(error: Error): void {
    if (away !== null || closing.signal.aborted) return;
    away = error instanceof PlatformError ? error : unavailable(error);
    log.error("the database is away: what needs it is refused until it is back", { error: away.message });
    socket?.destroy();
    socket = null;
    returning = comeBack();
  }

  async function comeBack(): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        socket = await open();
        break;
      } catch (error) {
        away = error instanceof PlatformError ? error : unavailable(error as Error);
        await pause(AGAIN_MS);
      }
    }
    if (closing.signal.aborted) return;
    away = null;
    returns++;
    log.info("the database is back");
    onReturn();
  }

  socket = await waitForLock(open);
  return {
    assertAvailable() {
      if (away === null) return;
      const { code, message } = away;
      if (code === "DATABASE_UNAVAILABLE") throw new PlatformError(code, message, { cause: away });
      throw unavailable(away);
    },
    returns: () => returns,
    lost,
    async close() {
      closing.abort();
      await returning;
      socket?.destroy();
    },
  };
}

async function lock(client: Client): Promise<void> {
  const { rows } = await client.query<{ isOurs: boolean }>('select pg_try_advisory_lock($1, $2) as "isOurs"', [
    ...SERVER_LOCK,
  ]);
  if (rows[0]?.isOurs === true) return;
  throw new PlatformError("ENVIRONMENT_STATE", "another microterm server is running on this database");
}

/**
 * Ends the earlier connections of this server, and of one that had the lock before. A database that was stopped still has statements in its
 * sockets, and would execute them when it continues, after the recovery has read the rows.
 */
async function endEarlier(client: Client): Promise<void> {
  for (const deadline = Date.now() + END_MS; ; await pause(END_AGAIN_MS)) {
    const { rows } = await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = current_user
       and application_name = $1 and pid <> pg_backend_pid()`,
      [SERVER_NAME],
    );
    if (rows.length === 0) return;
    if (Date.now() > deadline) throw unavailable(new Error("earlier connections do not end"));
  }
}

async function waitForLock(open: () => Promise<Socket>): Promise<Socket> {
  for (const deadline = Date.now() + PATIENCE_MS; ; await pause(AGAIN_MS)) {
    try {
      return await open();
    } catch (error) {
      const isHeld = error instanceof PlatformError && error.code === "ENVIRONMENT_STATE";
      if (!isHeld || Date.now() > deadline) throw error;
    }
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
