import { createServer } from "node:net";
import { join } from "node:path";
import { findHolders } from "@microterm/host";
import { inCluster } from "./cluster/in-cluster.ts";
import { type PostgresCluster, startPostgres } from "./postgres-cluster.ts";
import { startServer, type TestServer, type TestServerOptions } from "./server.ts";
import { makeTempFolder } from "./temp-folder.ts";

/** Servers on one PostgreSQL, whose machines are processes in one folder, or pods where the test runs in a cluster. */
export interface TestFleet {
  readonly cluster: PostgresCluster;
  /** The file of the servers' key. */
  readonly identity: string;
  /** One more server; it has the key of the others. */
  start(options?: TestServerOptions): Promise<TestServer>;
  /** Ends all of it, servers that were killed and stopped among them. Resolves with processes that are left. */
  dispose(): Promise<readonly string[]>;
}

export async function openFleet(): Promise<TestFleet> {
  const cluster = await startPostgres();
  const folder = await makeTempFolder();
  const machines = join(folder.path, "machines");
  const identity = join(folder.path, "identity.json");
  const servers: TestServer[] = [];
  return {
    ...{ cluster, identity },
    async start({ args = [], ...options } = {}) {
      const own = ["--fleet", `127.0.0.1:${await freePort()}`, "--identity", identity];
      const server = await startServer({
        ...options,
        env: { DATABASE_URL: cluster.url("postgres"), ...options.env },
        args: [...own, ...(inCluster() === null ? ["--process-folder", machines] : []), ...args],
      });
      servers.push(server);
      return server;
    },
    async dispose() {
      const left: string[] = [];
      try {
        // The first one that lives destroys what there is.
        for (const server of servers) left.push(...(await server.dispose()));
      } catch (error) {
        // Where one fails, neither its peers nor their machines outlive the test.
        await Promise.all(servers.map((server) => server.kill("SIGKILL")));
        for (const { pid } of await findHolders(folder.path, ["machines"])) process.kill(pid, "SIGKILL");
        throw error;
      }
      left.push(...(await findHolders(folder.path, ["machines"])).map(({ pid }) => `process ${pid}`));
      await folder.remove();
      await cluster.remove();
      return left;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
