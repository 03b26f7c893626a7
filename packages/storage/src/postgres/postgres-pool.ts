import type { PostgresPool, PostgresPoolClient } from "kysely";
import type { ClientConfig, PoolClient, QueryResultRow } from "pg";
import { explain } from "./postgres-errors.ts";

type Pg = typeof import("pg");

/**
 * Connections of one server. Its statements take a fraction of a millisecond, so that few of them are ever under way at once;
 * PostgreSQL has 100 for all its clients unless it is told otherwise.
 */
const MOST_CONNECTIONS = 8;
/** Until a connection is there, or one of the pool is free. */
export const CONNECT_TIMEOUT_MS = 3_000;
/** The server gives a statement up after this, and its connection goes on. */
const STATEMENT_TIMEOUT_MS = 4_000;
/** One that has said nothing until then is lost: the machine is gone, or its processes are stopped. */
const ANSWER_TIMEOUT_MS = 5_000;
/** A transaction whose client was stopped in the middle holds its rows no longer than this. */
const IDLE_TRANSACTION_MS = 10_000;
const UNUSED_MS = 60_000;
/** Statements that a connection keeps as they were parsed and planned. The repositories' queries are a few dozen. */
const MOST_STATEMENTS = 100;
/** What Kysely begins a transaction with, and what it becomes: its commit waits for the database's disk. In one round trip. */
const BEGIN = "begin";
const BEGIN_DURABLE = "begin; set local synchronous_commit = on";
/** https://github.com/brianc/node-pg-types: oid of int8, which counts have. None of ours comes near 2^53. */
const INT8 = 20;

export interface Timeouts {
  readonly statementMs: number;
  readonly answerMs: number;
}

const TIMEOUTS: Timeouts = { statementMs: STATEMENT_TIMEOUT_MS, answerMs: ANSWER_TIMEOUT_MS };

/** How each connection is made, under the server's name. Whatever the URL says of time-outs and of the name is overruled. */
export function clientConfig(pg: Pg, url: string, name: string, { statementMs, answerMs } = TIMEOUTS): ClientConfig {
  return {
    connectionString: url,
    application_name: name,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: statementMs,
    query_timeout: answerMs,
    idle_in_transaction_session_timeout: IDLE_TRANSACTION_MS,
    keepAlive: true,
    types: {
      getTypeParser: ((oid: number, format) =>
        oid === INT8 ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
    },
  };
}

/** Whether the database is there: {@link watchDatabase} knows, and is told what queries meet. */
export interface Availability {
  /** Throws `DATABASE_UNAVAILABLE` while it is away, so that nobody waits for what is known. */
  assertAvailable(): void;
  /** The number of returns so far. Connections from before the last one have been ended. */
  returns(): number;
  lost(error: Error): void;
}

/** pg's pool as Kysely wants it; what fails is explained in one place. `made` rejects where a new connection must not be used. */
export function createPool(
  pg: Pg,
  config: ClientConfig,
  availability: Availability,
  made: (client: PoolClient) => Promise<void> = async () => {},
): PostgresPool {
  const pool = new pg.Pool({ ...config, max: MOST_CONNECTIONS, idleTimeoutMillis: UNUSED_MS });
  const madeAfter = new WeakMap<PoolClient, number>();
  const isMade = new WeakSet<PoolClient>();
  const names = new Map<string, string>();
  /** A name by which the server knows the statement again; undefined: it is not kept. */
  const nameOf = (text: string): string | undefined => {
    if (!names.has(text) && names.size < MOST_STATEMENTS) names.set(text, `microterm_${names.size}`);
    return names.get(text);
  };
  // An unused connection that ends says so here, and is replaced; its server's absence is met by the next query.
  pool.on("error", () => {});
  // One that is in use says so by its queries as well.
  pool.on("connect", (client) => {
    madeAfter.set(client, availability.returns());
    client.on("error", () => {});
  });
  const take = async (): Promise<PoolClient> => {
    for (;;) {
      const client = await pool.connect();
      if (madeAfter.get(client) !== availability.returns()) {
        client.release(true);
        continue;
      }
      if (isMade.has(client)) return client;
      try {
        await made(client);
      } catch (error) {
        client.release(true);
        throw error;
      }
      isMade.add(client);
      return client;
    }
  };
  return {
    options: {},
    async connect() {
      availability.assertAvailable();
      try {
        return explained(await take(), availability, nameOf);
      } catch (cause) {
        const { error, isLost } = explain(cause);
        // Where all are in use, by statements, these find out whether the database is there.
        if (isLost && pool.totalCount < MOST_CONNECTIONS) availability.lost(error);
        throw error;
      }
    },
    end: () => pool.end(),
  };
}

type NameOf = (text: string) => string | undefined;

function explained(client: PoolClient, availability: Availability, nameOf: NameOf): PostgresPoolClient {
  let lost: Error | null = null;
  const query = async (asked: string, values: readonly unknown[]) => {
    // A transaction's rollback waits for nobody who is not there.
    if (lost !== null) throw lost;
    const text = asked === BEGIN ? BEGIN_DURABLE : asked;
    try {
      // What has no parameters is for transactions and schemas.
      const name = values.length === 0 ? undefined : nameOf(text);
      return await client.query<QueryResultRow>({ text, values: values.map(withoutNul), ...(name && { name }) });
    } catch (cause) {
      const { error, isLost } = explain(cause);
      if (isLost) {
        lost = error;
        availability.lost(error);
      }
      throw error;
    }
  };
  return {
    query: query as unknown as PostgresPoolClient["query"],
    // One that is lost may still have an answer under way, which the next query would take for its own.
    release: (isDiscarded) => client.release(isDiscarded === true || lost !== null),
  };
}

/** PostgreSQL's text has no NUL, and a guest's own words, which reasons quote, may. */
const withoutNul = (value: unknown): unknown => (typeof value === "string" ? value.replaceAll("\0", "\uFFFD") : value);
