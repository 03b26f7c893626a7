import { type MachineId, PlatformError } from "@microterm/protocol";
import type { NetworkLink } from "../../ports/network.ts";
import type {
  Machine,
  MachineLimits,
  MachineSpec,
  Removed,
  TemplateShape,
  VmCapabilities,
  VmDriver,
} from "../../ports/vm-driver.ts";
import { createRecordingAgent, type RecordingAgentOptions, type Terminals, type Told } from "./recording-agent.ts";

/** A machine as it was asked for, and what its guest was told since. */
export interface RecordedMachine {
  readonly start: "boot" | "restore" | "resume";
  readonly spec: MachineSpec;
  readonly told: readonly Told[];
  /** What its limits were changed to since it was made, in that order. */
  readonly limited: readonly Partial<MachineLimits>[];
}

export interface RecordingDriver extends VmDriver {
  /** Every machine there ever was, by its id. */
  readonly machines: ReadonlyMap<MachineId, RecordedMachine>;
}

export interface RecordingDriverOptions extends RecordingAgentOptions {
  readonly name?: string;
  readonly networkLinks?: readonly NetworkLink["kind"][];
  readonly supportsLimits?: boolean;
  /** Why its host cannot do what it is asked; undefined: it can. */
  readonly refuseLimit?: (limits: Partial<MachineLimits>) => string | undefined;
  /** What a pause waits for before it saves memory; where it rejects, nothing is saved. */
  readonly beforePause?: () => Promise<void>;
}

const NOTHING: Removed = { processes: 0, cgroups: 0, sockets: 0, files: 0, uids: 0 };
const nothing = { files: 0, bytes: 0 };

/**
 * A driver whose machines are entries in a map, for what no real one can be asked on any host: with templates, snapshots
 * and networks. What a guest does is not its subject.
 */
export function createRecordingDriver(options: RecordingDriverOptions = {}): RecordingDriver {
  const machines = new Map<MachineId, RecordedMachine>();
  const alive = new Map<MachineId, MachineSpec>();
  const terminals = new Map<MachineId, Terminals>();
  const limited = new Map<MachineId, Partial<MachineLimits>[]>();
  const disks = new Set<string>();
  const templates = new Set<string>();
  const snapshots = new Map<string, Terminals>();
  const capabilities: VmCapabilities = {
    accelerator: "none",
    acceleratorReason: "machines are made up",
    isolation: "none",
    supportsDisk: true,
    supportsPowerOff: false,
    supportsConsole: false,
    supportsLimits: options.supportsLimits ?? false,
    bootsAhead: false,
    networkLinks: options.networkLinks ?? [],
    overheadMib: () => 0,
  };

  const remove = async (id: MachineId): Promise<Removed> => {
    alive.delete(id);
    return NOTHING;
  };

  function start(how: RecordedMachine["start"], spec: MachineSpec, had: Terminals = new Map()): Machine {
    const told: Told[] = [];
    const changes: Partial<MachineLimits>[] = [];
    limited.set(spec.machineId, changes);
    machines.set(spec.machineId, { start: how, spec, told, limited: changes });
    alive.set(spec.machineId, spec);
    terminals.set(spec.machineId, had);
    const agent = createRecordingAgent(told, had, options);
    return {
      id: spec.machineId,
      ended: new Promise(() => {}),
      agent: async () => agent,
      examine: () => Promise.resolve(),
      console: async () => new Uint8Array(),
      stop: () => remove(spec.machineId),
      release() {},
    };
  }

  const keyOf = ({ memoryMib, cpus, diskMib, hasNetwork = false }: TemplateShape): string =>
    `${memoryMib}-${cpus}-${diskMib}-${hasNetwork}`;

  return {
    machines,
    name: options.name ?? "recording",
    host: "made up",
    capabilities,
    usage: async () => null,
    async limit(machineId, limits) {
      const why = options.refuseLimit?.(limits);
      if (why !== undefined) throw new PlatformError("UNSUPPORTED", why);
      limited.get(machineId)?.push(limits);
    },
    boot: async (spec) => start("boot", spec),
    list: async () =>
      [...alive].map(([machineId, { environmentId }]) => ({
        machineId,
        alive: true,
        environmentId,
        hostRebooted: false,
      })),
    adopt: async (machineId) => {
      const spec = alive.get(machineId);
      if (spec === undefined) throw new Error(`no machine ${machineId}`);
      return start("boot", spec, terminals.get(machineId));
    },
    remove,
    async createDisk(diskId) {
      disks.add(diskId);
    },
    async removeDisk(diskId) {
      disks.delete(diskId);
      return nothing;
    },
    listDisks: async () => [...disks].map((diskId) => ({ diskId, unwrittenMib: 0, isMeasured: true })),
    leftovers: async () => [],
    resources: async () => ({
      memory: { totalMib: 65_536, availableMib: 65_536 },
      disk: { totalMib: 65_536, freeMib: 65_536 },
      cpus: 4,
    }),
    images: null,
    snapshots: {
      findTemplate: async (shape) => ({ key: keyOf(shape), isBuilt: templates.has(keyOf(shape)) }),
      async saveTemplate(machineId, key) {
        alive.delete(machineId);
        templates.add(key);
      },
      listTemplates: async () => [...templates],
      async removeTemplate(key) {
        templates.delete(key);
      },
      async createDiskFrom(_key, diskId) {
        disks.add(diskId);
      },
      restore: async (spec) => start("restore", spec),
      async pause(machineId, snapshotId) {
        await options.beforePause?.();
        alive.delete(machineId);
        snapshots.set(snapshotId, terminals.get(machineId) ?? new Map());
      },
      resume: async (spec) => start("resume", spec, snapshots.get(spec.snapshotId)),
      async removeSnapshot(snapshotId) {
        snapshots.delete(snapshotId);
        return nothing;
      },
      listSnapshots: async () => [...snapshots.keys()],
    },
  };
}
