import type { Log, VmDriver } from "@microterm/core";
import type { VmDriverHarness } from "@microterm/core/testing";
import { findHolders, findMarked } from "@microterm/host";
import { createQuietLog } from "./quiet-log.ts";
import { rustBinary } from "./rust-binaries.ts";
import { makeTempFolder } from "./temp-folder.ts";

type CreateProcessDriver = (options: { agentBinary: string; directory: string; log: Log }) => VmDriver;

/** A process driver over a folder of its own, with the real agent. */
export async function startProcessHarness(create: CreateProcessDriver): Promise<VmDriverHarness> {
  const agentBinary = await rustBinary("microterm-agent");
  const folder = await makeTempFolder();
  const directory = `${folder.path}/machines`;
  return {
    makeDriver: () => Promise.resolve(create({ agentBinary, directory, log: createQuietLog() })),
    killVmm: async (machineId) => {
      const entry = await findMarked(`MICROTERM_MACHINE=${machineId}`, `unix:${directory}/${machineId}/agent.sock`);
      if (entry === null) throw new Error(`no agent of ${machineId} runs`);
      process.kill(entry.pid, "SIGKILL");
    },
    bootMs: 10_000,
    memoryMib: 128,
    damageTemplate: () => Promise.reject(new Error("processes have no templates")),
    close: async () => {
      const holders = await findHolders(folder.path, ["machines"]);
      await folder.remove();
      if (holders.length > 0) throw new Error(`processes leaked: ${holders.map(({ pid }) => pid).join(", ")}`);
    },
  };
}
