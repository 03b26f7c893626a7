import { Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import type { Log } from "@microterm/core";
import { PlatformError } from "@microterm/protocol";
import type { Client, ClientConfig } from "pg";
import { explain, unavailable } from "./postgres-errors.ts";
import type { Availability } from "./postgres-pool.ts";

type Pg = typeof import("pg");

/** A connection of a server that was killed a moment ago is closed by then. */
const PATIENCE_MS = 3_000;
const AGAIN_MS = 500;

export interface DatabaseWatch extends Availability {
  close(): Promise<void>;
}

export interface WatchOptions {
  readonly config: ClientConfig;
  readonly log: Log;
  /** Makes a new connection this server's place at the database: takes its locks. Rejects with `ENVIRONMENT_STATE` where another has them. */
  enter(client: Client): Promise<void>;
  /** After it was away. */
  onReturn(): void;
}

/**
 * Holds a connection of its own for as long as the storage is open. It has the advisory locks of this server
 * (decisions 0036 and 0046), and it is by it that the database's return is found out: nothing is asked of the database before the locks are this
 * server's again, as another one may have begun to work on its rows meanwhile.
 *
 * Rejects with `ENVIRONMENT_STATE` where another server has them, and with `DATABASE_UNAVAILABLE`.
 */
export async function watchDatabase(pg: Pg, options: WatchOptions): Promise<DatabaseWatch> {
  const { config, log, enter, onReturn } = options;
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
      await enter(client);
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
