import { constants } from "node:fs";
import { access, readFile, realpath } from "node:fs/promises";
import {
  type Abortable,
  type FoundMachine,
  LOCAL_HOST,
  type Log,
  type Machine,
  type MachineSpec,
  type Removed,
  type VmCapabilities,
  type VmDriver,
} from "@microterm/core";
import {
  findAllMarked,
  findMarked,
  isRunning,
  killTree,
  type ProcessEntry,
  readHostSpace,
  startMarked,
  systemCode,
} from "@microterm/host";
import { type MachineId, PlatformError } from "@microterm/protocol";
import { hostBootId, ProcessFolder } from "./process-folder.ts";
import { searchLeftovers } from "./process-leftovers.ts";
import { ProcessMachine } from "./process-machine.ts";

const CAPABILITIES: VmCapabilities = {
  accelerator: "none",
  acceleratorReason: "environments are processes of this host",
  isolation: "none",
  supportsDisk: false,
  supportsPowerOff: false,
  supportsConsole: false,
  supportsLimits: false,
  bootsAhead: false,
  networkLinks: [],
  overheadMib: () => 16,
};

export interface ProcessDriverOptions {
  /** The same `microterm-agent` that guests run. */
  readonly agentBinary: string;
  /** Scratch folder, this driver's alone; at most 80 bytes long or so, for the sockets in it. */
  readonly directory: string;
  readonly log: Log;
}

/** In the environment of each machine's agent. */
const markOf = (machineId: MachineId): string => `MICROTERM_MACHINE=${machineId}`;

/**
 * Environments as plain processes of the server's own user: no machine, no isolation, no disk. The agent runs as it does
 * in a guest, over a unix socket (docs/decisions/0002-process-driver-runs-the-agent.md).
 */
export function createProcessDriver(options: ProcessDriverOptions): VmDriver {
  const { agentBinary, directory, log } = options;
  const folder = new ProcessFolder(directory);

  const argumentOf = (machineId: MachineId): string => `unix:${folder.paths(machineId).socket}`;
  /** As the last list had them: a server that takes many machines over does not look through all processes for each. */
  let listed: ReadonlyMap<string, ProcessEntry> = new Map();

  const find = async (machineId: MachineId): Promise<ProcessEntry | null> => {
    const known = listed.get(argumentOf(machineId));
    if (known !== undefined && (await isRunning(known))) return known;
    return findMarked(markOf(machineId), argumentOf(machineId));
  };

  const remove = async (machineId: MachineId): Promise<Removed> => {
    // The agent bears the mark; its programs, which outlive it when it is killed, are at home in the machine's folder.
    const processes = await killTree([markOf(machineId), `HOME=${folder.paths(machineId).home}`]);
    return { processes, cgroups: 0, uids: 0, ...(await folder.remove(machineId)) };
  };

  const machineOf = (machineId: MachineId, entry: ProcessEntry, exited?: Promise<void>): Machine => {
    const { socket, log: logFile } = folder.paths(machineId);
    return new ProcessMachine({
      id: machineId,
      entry,
      socket,
      ...(exited === undefined ? {} : { exited }),
      readLog: () => readFile(logFile).catch(() => Buffer.alloc(0)),
      remove: () => remove(machineId),
    });
  };

  const start = async (spec: MachineSpec, signal: AbortSignal | undefined): Promise<Machine> => {
    const { machineId, environmentId } = spec;
    const paths = await folder.create(machineId, environmentId);
    try {
      const { entry, exited } = await startMarked({
        binary: await realpath(agentBinary),
        args: ["--listen", `unix:${paths.socket}`, "--home", paths.home],
        directory: paths.home,
        logFile: paths.log,
        mark: markOf(machineId),
      });
      signal?.throwIfAborted();
      return machineOf(machineId, entry, exited);
    } catch (error) {
      await remove(machineId);
      throw error;
    }
  };

  return {
    name: "process",
    host: LOCAL_HOST,
    capabilities: CAPABILITIES,

    async boot(spec: MachineSpec, { signal }: Abortable = {}) {
      signal?.throwIfAborted();
      await access(agentBinary, constants.X_OK).catch((error: unknown) => {
        throw new PlatformError("MACHINE_BOOT_FAILED", `the agent's binary cannot be run: ${agentBinary}`, {
          cause: error,
        });
      });
      try {
        return await start(spec, signal);
      } catch (error) {
        if (signal?.aborted === true && error === signal.reason) throw error;
        if (systemCode(error) === "ENOSPC") {
          throw new PlatformError("HOST_OUT_OF_DISK", `no space in ${directory}`, { cause: error });
        }
        log.warn("a process machine could not be started", { machineId: spec.machineId, error: String(error) });
        throw new PlatformError("MACHINE_BOOT_FAILED", `the agent could not be started: ${error}`, { cause: error });
      }
    },

    async list() {
      const bootId = await hostBootId();
      const found: FoundMachine[] = [];
      const machineIds = await folder.list();
      listed = await findAllMarked(new Map(machineIds.map((id) => [argumentOf(id), markOf(id)])));
      for (const machineId of machineIds) {
        const record = await folder.read(machineId);
        found.push({
          machineId,
          alive: listed.has(argumentOf(machineId)),
          environmentId: record?.environmentId ?? null,
          hostRebooted: record !== null && record.hostBootId !== bootId,
        });
      }
      return found;
    },

    async adopt(machineId, { signal } = {}) {
      signal?.throwIfAborted();
      const entry = await find(machineId);
      if (entry === null) throw new PlatformError("MACHINE_BOOT_FAILED", `machine ${machineId} is not alive`);
      return machineOf(machineId, entry);
    },

    remove,
    createDisk: () => Promise.resolve(),
    removeDisk: () => Promise.resolve({ files: 0, bytes: 0 }),
    listDisks: () => Promise.resolve([]),
    leftovers: (ids) => searchLeftovers(directory, ids),
    resources: () => readHostSpace(directory),
    // Programs leave the agent's process tree, and no cgroup holds them.
    usage: () => Promise.resolve(null),
    limit: () => Promise.reject(new PlatformError("UNSUPPORTED", "processes of this host are not limited")),
    images: null,
    snapshots: null,
  };
}
