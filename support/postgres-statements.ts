import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import pg from "pg";
import type { PostgresCluster } from "./postgres-cluster.ts";

/** Connections take a new setting before their next statement; one that says nothing meanwhile has none to be logged. */
const SETTLE_MS = 300;
const STATEMENT = /^microterm-\d+: LOG: {2}(?:execute \S+|statement): (.*)/;
/** What a server says by itself, twice a second, and what it tells peers of, whose number is one of chance. */
const BACKGROUND = /^(?:with beat as|select pg_notify)/;

/** The statements of a fleet's servers while `run` goes on, as PostgreSQL's own log has them, but for those of their heartbeat and their notices. */
export async function statementsDuring(cluster: PostgresCluster, run: () => Promise<void>): Promise<readonly string[]> {
  const log = join(dirname(cluster.socket), "log");
  const client = new pg.Client(cluster.url("postgres"));
  await client.connect();
  const set = async (name: string, value: string) => {
    await client.query(`alter system set ${name} = '${value}'`);
    await client.query("select pg_reload_conf()");
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  };
  try {
    await set("log_line_prefix", "%a: ");
    await set("log_statement", "all");
    const { size } = await stat(log);
    await run();
    await set("log_statement", "none");
    const written = (await readFile(log)).subarray(size).toString("utf8");
    return written
      .split("\n")
      .flatMap((line) => STATEMENT.exec(line)?.[1]?.trim() ?? [])
      .filter((text) => !BACKGROUND.test(text));
  } finally {
    await client.end();
  }
}
