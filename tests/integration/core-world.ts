import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { findHolders, findMarked } from "@microterm/host";
import type { MachineId } from "@microterm/protocol";
import { expect, onTestFinished } from "vitest";
import { rustBinary } from "../../support/rust-binaries.ts";
import { makeTempFolder } from "../../support/temp-folder.ts";
import { ANN, BOB, machinesOf, openServer, type Parts, type Server, type ServerOptions } from "./core-server.ts";

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
      const socket = join(machinesOf(folder), machineId, "agent.sock");
      const entry = await findMarked(`MICROTERM_MACHINE=${machineId}`, `unix:${socket}`);
      if (entry === null) throw new Error(`no agent of ${machineId} runs`);
      return entry.pid;
    },
  };
  onTestFinished(async () => {
    for (const server of open) await server.close().catch(() => {});
    const last = await openServer(world);
    await last.service.recover();
    for (const actor of [ANN, BOB]) {
      for (const { id } of await last.service.list(actor)) {
        expect((await last.service.destroy(actor, id)).left).toEqual([]);
      }
    }
    expect(await last.driver.list()).toEqual([]);
    await last.close();
    expect(await findHolders(folder, ["machines"])).toEqual([]);
    await remove();
  });
  return world;
}
