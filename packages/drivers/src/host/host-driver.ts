import { randomBytes } from "node:crypto";
import { join } from "node:path";
import {
  type Abortable,
  type FoundMachine,
  LOCAL_HOST,
  type Log,
  type Machine,
  type MachineSpec,
  type VmDriver,
} from "@microterm/core";
import { type HostDaemonClient, hostCodeOf, type LaunchMemory, launchedBy } from "@microterm/host";
import { type Accelerator, MachineId, PlatformError } from "@microterm/protocol";
import { hostCapabilities } from "./host-capabilities.ts";
import { bootFailure, isRefused, launchFailure } from "./host-failures.ts";
import { createHostImages } from "./host-images.ts";
import { limitArgs } from "./host-limits.ts";
import { HostMachine } from "./host-machine.ts";
import { createHostSnapshots } from "./host-snapshots.ts";
import type { Overhead, Vmm } from "./vmm.ts";

export interface HostDriverOptions {
  readonly daemon: HostDaemonClient;
  /** Where microterm-host keeps the machines' sockets: `DATA/host/machines`. */
  readonly machinesDir: string;
  /** The key of the image that new machines are made of, which the daemon has. */
  readonly image: string;
  readonly accelerator: Exclude<Accelerator, "none">;
  /** How the accelerator was proven or refuted, for a person. */
  readonly acceleratorReason: string;
  readonly log: Log;
}

const MIB = 1024 * 1024;

/** MicroVMs with one VMM, each in a jail that microterm-host makes. */
export function createHostDriver(vmm: Vmm, options: HostDriverOptions): VmDriver {
  const { daemon, machinesDir, image, accelerator, log } = options;
  /** Those that this process follows, to tell one that is being saved from one that dies. */
  const followed = new Map<MachineId, HostMachine>();
  const machineOf = (id: MachineId, channelKey: string): HostMachine => {
    const machine = new HostMachine({
      id,
      vmm,
      daemon,
      folder: join(machinesDir, id),
      channelKey,
      released: () => {
        if (followed.get(id) === machine) followed.delete(id);
      },
    });
    followed.set(id, machine);
    return machine;
  };

  let isQuiescent = false;
  /** Of this server's daemon, which `up` replaces together with it. */
  let overhead: Overhead | undefined;

  /** Kills what a boot that failed has left; the daemon may be away for a moment, and `list` shows what stays. */
  const abandon = async (machineId: MachineId): Promise<void> => {
    await daemon.kill(machineId).catch((error: unknown) => {
      log.error("a machine that failed to boot could not be removed", { machineId, error: String(error) });
    });
  };

  const launch = async (spec: MachineSpec, memory: LaunchMemory, signal?: AbortSignal): Promise<Machine> => {
    const { machineId, memoryMib, cpus, diskId, environmentId, network } = spec;
    const args = {
      ...{ machineId, image: spec.image ?? image, diskId, memoryMib, cpus, accelerator, memory },
      magic: randomBytes(16).toString("hex"),
      ...(environmentId === null ? {} : { labels: { environment: environmentId } }),
      ...(spec.limits === null ? {} : { limits: limitArgs(spec.limits) }),
      ...launchedBy(vmm.name),
      ...(network?.kind === "slot" ? { slot: network.slot } : {}),
    };
    const launched = await daemon.launch(args).catch((error: unknown) => {
      throw launchFailure(error);
    });
    const machine = machineOf(machineId, launched.magic);
    try {
      signal?.throwIfAborted();
      await machine.follow(signal);
      return machine;
    } catch (error) {
      machine.release();
      throw error;
    }
  };

  const start = async (spec: MachineSpec, memory: LaunchMemory, { signal }: Abortable = {}): Promise<Machine> => {
    signal?.throwIfAborted();
    try {
      return await launch(spec, memory, signal);
    } catch (error) {
      // A machine with this id that is not ours to make stays.
      if (hostCodeOf(error) !== "exists") await abandon(spec.machineId);
      if (signal?.aborted === true) throw signal.reason;
      throw bootFailure(error);
    }
  };

  const isAlive = async (machineId: MachineId): Promise<boolean> =>
    (await daemon.list()).machines.some((found) => found.machineId === machineId && found.alive);

  return {
    name: vmm.name,
    host: LOCAL_HOST,
    capabilities: hostCapabilities({
      accelerator,
      acceleratorReason: options.acceleratorReason,
      overhead: () => overhead,
    }),

    boot: (spec, given) => start(spec, spec.isTemplateSource === true ? "template-source" : "plain", given),

    async list() {
      // Before recovery looks: what a server that died has asked for may still be in the making.
      if (!isQuiescent) await daemon.settle();
      const [{ bootId, limitsCpu }, { machines }] = await Promise.all([daemon.hello(), daemon.list()]);
      if (!isQuiescent && !limitsCpu) log.warn("this host limits no processor time of machines: see doctor");
      isQuiescent = true;
      const found: FoundMachine[] = [];
      for (const machine of machines) {
        // Another driver's of the same host. One whose record was never written is everybody's to remove.
        if (machine.vmm !== null && machine.vmm !== vmm.name) continue;
        const machineId = MachineId.safeParse(machine.machineId);
        if (!machineId.success) continue;
        found.push({
          machineId: machineId.data,
          alive: machine.alive,
          environmentId: machine.environment,
          hostRebooted: machine.bootId !== null && machine.bootId !== bootId,
        });
      }
      return found;
    },

    async adopt(machineId, { signal } = {}) {
      const found = (await daemon.list()).machines.find((candidate) => candidate.machineId === machineId);
      if (found?.magic == null || !found.alive) {
        throw new PlatformError("MACHINE_BOOT_FAILED", `machine ${machineId} is not alive`);
      }
      if (found.vmm !== null && found.vmm !== vmm.name) {
        throw new PlatformError("MACHINE_BOOT_FAILED", `machine ${machineId} is no machine of ${vmm.title}`);
      }
      const machine = machineOf(machineId, found.magic);
      try {
        await machine.follow(signal);
        return machine;
      } catch (error) {
        machine.release();
        if (signal?.aborted === true) throw signal.reason;
        if (isRefused(error) || !(await isAlive(machineId))) throw bootFailure(error);
        // On a busy host a VMM may take longer than its monitor's deadline: its guest must not die of that.
        throw new PlatformError("GUEST_UNREACHABLE", `the VMM of machine ${machineId} does not answer`, {
          cause: error,
        });
      }
    },

    remove: (machineId) => daemon.kill(machineId),
    createDisk: (diskId, { sizeMib }) => createDisk(daemon, diskId, sizeMib),
    removeDisk: (diskId) => daemon.removeDisk(diskId),
    listDisks: async () =>
      (await daemon.list()).disks.map(({ diskId, sizeMib, allocatedBytes }) => ({
        diskId,
        isMeasured: true,
        unwrittenMib: Math.max(0, sizeMib - Math.floor(allocatedBytes / MIB)),
      })),
    leftovers: async (ids) => (await daemon.scan(ids)).map(({ kind, name }) => `${kind} ${name}`),
    async resources() {
      // A caller that asks what the host has left needs to know what a machine takes.
      overhead ??= vmm.overheadOf(await daemon.overhead(), accelerator);
      return daemon.resources();
    },
    async usage(machineId) {
      const { cpuUsec, memoryBytes, pids } = await daemon.usage(machineId);
      return { cpuMs: cpuUsec / 1000, memoryBytes, processes: pids };
    },
    limit: (machineId, limits) =>
      daemon.limit(machineId, limitArgs(limits)).catch((error: unknown) => {
        // A guest's affair: its VMM does not answer.
        if (hostCodeOf(error) !== "internal") throw error;
        const message = `the VMM of machine ${machineId} did not take its limits`;
        throw new PlatformError("GUEST_UNREACHABLE", message, { cause: error });
      }),
    images: createHostImages(daemon, image),
    snapshots: createHostSnapshots({ vmm, daemon, image, accelerator, start, followed }),
  };
}

async function createDisk(daemon: HostDaemonClient, diskId: string, sizeMib: number): Promise<void> {
  try {
    await daemon.createDisk(diskId, sizeMib);
  } catch (error) {
    if (hostCodeOf(error) !== "exists") throw error;
    const disk = (await daemon.list()).disks.find((candidate) => candidate.diskId === diskId);
    if (disk?.sizeMib !== sizeMib) throw error;
  }
}
