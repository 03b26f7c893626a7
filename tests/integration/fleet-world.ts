import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { findHolders } from "@microterm/host";
import { createPostgresStorage } from "@microterm/storage";
import pg from "pg";
import { expect, onTestFinished } from "vitest";
import type { PostgresCluster } from "../../support/postgres-cluster.ts";
import { createQuietLog } from "../../support/quiet-log.ts";
import { rustBinary } from "../../support/rust-binaries.ts";
import { makeTempFolder } from "../../support/temp-folder.ts";
import { ANN, machinesOf, openServer, type Parts, type Server, type ServerOptions } from "./core-server.ts";

let databases = 0;

export interface FleetParts extends Parts {
  readonly url: string;
}

export interface MemberOptions extends Omit<ServerOptions, "storage"> {
  readonly onDeclaredDead?: () => void;
}

/** One of several servers on a database and a folder of machines; it recovers what others leave, as servers do. */
export async function openMember(
  parts: FleetParts,
  { onDeclaredDead, ...options }: MemberOptions = {},
): Promise<Server> {
  const fleet = {
    address: "127.0.0.1:7600",
    onDeclaredDead: onDeclaredDead ?? (() => expect.fail("a server that lives was taken for dead")),
  };
  const storage = await createPostgresStorage({ url: parts.url, log: createQuietLog(), fleet });
  const server = await openServer(parts, { ...options, storage });
  let recovering = Promise.resolve();
  const unsubscribe = storage.fleet.subscribe(({ kind }) => {
    if (kind !== "orphans") return;
    recovering = recovering.then(async () => {
      await server.service.recover();
    });
  });
  return {
    ...server,
    async close() {
      unsubscribe();
      await recovering;
      await server.close();
    },
  };
}

/** A member in a process of its own, which holds an environment that runs. */
export interface MemberProcess {
  readonly child: ChildProcess;
  readonly number: number;
  /** Its exit code and signal. */
  readonly ended: Promise<unknown[]>;
}

export interface FleetWorld {
  /** A member that has recovered; closed when the test ends. */
  start(options?: MemberOptions): Promise<Server>;
  /** With an environment of ANN's of that name. */
  spawn(name: string): Promise<MemberProcess>;
}

/** A database and a folder of machines of a test's own. When the test ends, everything is destroyed, and nothing may be left on the host. */
export async function makeFleet(cluster: PostgresCluster): Promise<FleetWorld> {
  const agentBinary = await rustBinary("microterm-agent");
  const { path: folder, remove } = await makeTempFolder();
  await mkdir(machinesOf(folder), { mode: 0o700 });
  const parts = { folder, agentBinary, url: await makeDatabase(cluster) };
  const open: Server[] = [];
  const children: ChildProcess[] = [];
  onTestFinished(async () => {
    for (const child of children) child.kill("SIGKILL");
    for (const server of open) await server.close().catch(() => {});
    const last = await openMember(parts);
    await last.service.recover();
    // Those that were killed a moment ago are found dead first.
    await expect.poll(() => last.storage.fleet.peers()).toEqual([]);
    await last.service.destroyAllOf({ ...ANN, role: "admin" }, ANN.owner);
    expect(await last.driver.list()).toEqual([]);
    await last.close();
    expect(await findHolders(folder, ["machines"])).toEqual([]);
    await remove();
  });
  return {
    async start(options) {
      const server = await openMember(parts, options);
      open.push(server);
      await server.service.recover();
      return server;
    },
    async spawn(name) {
      const script = join(import.meta.dirname, "fleet-victim.ts");
      const child = spawn(process.execPath, [script, folder, agentBinary, parts.url, name], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      children.push(child);
      const ended = once(child, "exit");
      const [line] = await once(child.stdout, "data");
      return { child, number: Number(String(line)), ended };
    },
  };
}

async function makeDatabase(cluster: PostgresCluster): Promise<string> {
  const name = `fleet_${databases++}`;
  const client = new pg.Client(cluster.url("postgres"));
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  return cluster.url(name);
}
