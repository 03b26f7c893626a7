import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import {
  createEnvironmentService,
  type EnvironmentLimits,
  type EnvironmentService,
  type Faults,
  type Storage,
  type VmDriver,
} from "@microterm/core";
import { systemClock, systemRandom } from "@microterm/core/testing";
import { createProcessDriver } from "@microterm/drivers";
import { findHolders, findMarked } from "@microterm/host";
import { createLoopbackNetwork } from "@microterm/networks";
import { type MachineId, OwnerId } from "@microterm/protocol";
import { createSqliteStorage } from "@microterm/storage";
import { expect, onTestFinished } from "vitest";
import { createQuietLog } from "../../support/quiet-log.ts";
import { rustBinary } from "../../support/rust-binaries.ts";
import { makeTempFolder } from "../../support/temp-folder.ts";

export const ANN = OwnerId.parse("annannann");
export const BOB = OwnerId.parse("bobbobbob");

export const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

export interface Parts {
  readonly folder: string;
  readonly agentBinary: string;
}

export interface ServerOptions {
  readonly faults?: Faults;
  readonly limits?: Partial<EnvironmentLimits>;
}

/** What one server process holds; several after each other stand for restarts. */
export interface Server {
  readonly service: EnvironmentService;
  readonly storage: Storage;
  readonly driver: VmDriver;
  readonly log: ReturnType<typeof createQuietLog>;
  close(): Promise<void>;
}

/** A service over real SQLite and the process driver, as it is when a server begins: not yet recovered. */
export async function openServer({ folder, agentBinary }: Parts, options: ServerOptions = {}): Promise<Server> {
  const log = createQuietLog();
  const storage = await createSqliteStorage({ path: join(folder, "microterm.db") });
  await storage.owners.insert(ANN, "2026-11-22T10:00:00.000Z");
  await storage.owners.insert(BOB, "2026-11-22T10:00:01.000Z");
  const driver = createProcessDriver({ agentBinary, directory: machinesOf(folder), log });
  const service = createEnvironmentService({
    storage,
    driver,
    network: createLoopbackNetwork(),
    clock: systemClock,
    random: systemRandom,
    log,
    ...options,
  });
  return {
    service,
    storage,
    driver,
    log,
    async close() {
      await service.close();
      await storage.close();
    },
  };
}

const machinesOf = (folder: string) => join(folder, "machines");

export interface World extends Parts {
  /** A server that has recovered; closed when the test ends. */
  start(options?: ServerOptions): Promise<Server>;
  /** The pid of a machine's agent. */
  agentPid(machineId: MachineId): Promise<number>;
}

/** A data folder of a test's own. When the test ends, everything is destroyed, and nothing may be left on the host. */
export async function makeWorld(options: { readonly agentBinary?: string } = {}): Promise<World> {
  const agentBinary = options.agentBinary ?? (await rustBinary("microterm-agent"));
  const { path: folder, remove } = await makeTempFolder();
  await mkdir(machinesOf(folder), { mode: 0o700 });
  const open: Server[] = [];
  const world: World = {
    folder,
    agentBinary,
    async start(serverOptions) {
      const server = await openServer(world, serverOptions);
      open.push(server);
      await server.service.recover();
      return server;
    },
    async agentPid(machineId) {
      const entry = await findMarked(
        `MICROTERM_MACHINE=${machineId}`,
        `unix:${machinesOf(folder)}/${machineId}/agent.sock`,
      );
      if (entry === null) throw new Error(`no agent of ${machineId} runs`);
      return entry.pid;
    },
  };
  onTestFinished(async () => {
    for (const server of open) await server.close().catch(() => {});
    const last = await openServer(world);
    await last.service.recover();
    for (const owner of [ANN, BOB]) {
      for (const { id } of await last.service.list(owner)) {
        expect((await last.service.destroy(owner, id)).left).toEqual([]);
      }
    }
    expect(await last.driver.list()).toEqual([]);
    await last.close();
    expect(await findHolders(folder, ["machines"])).toEqual([]);
    await remove();
  });
  return world;
}
