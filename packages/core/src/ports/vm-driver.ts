import { type Accelerator, type Isolation, type MachineId, PlatformError } from "@microterm/protocol";
import type { Abortable } from "./abortable.ts";
import type { GuestAgent } from "./guest-agent.ts";
import type { NetworkLink } from "./network.ts";

export interface AdoptOptions extends Abortable {
  /**
   * How many servers have held the machine before, 0 by default: its agent then serves those of lower epochs no more. Drivers whose machines one server alone
   * reaches pay no heed to it.
   */
  readonly epoch?: number;
}

/**
 * Boots and controls machines with one VMM.
 *
 *   `machine`  one jailed VMM process (or process tree) and everything it owns on the host; named by its id alone
 *   `guest`    what runs inside it
 *   `disk`     the writable layer. It belongs to the environment and survives its machines
 *
 * A machine moves `running → stopped`. A stopped machine never starts again: boot a new one over the same disk.
 * Machines outlive the caller's process: a restarted caller asks `list` and then `adopt`s or `remove`s each.
 * Drivers hold no policy: names, owners and limits belong to the caller.
 *
 * `host` is wherever machines run. A driver of a VMM beside the server answers every question about it. One whose machines
 * run elsewhere, such as pods that a cluster's scheduler has placed, answers null to those that it cannot answer: what it
 * removed (`Removed`), what there is room for (`HostResources`), whether the host was rebooted (`FoundMachine`), how a
 * guest's code runs (`VmCapabilities`). Null is never a guess, and never zero: callers then neither count nor refuse.
 *
 * Worked example: `createDisk(d, {sizeMib: 2048})`, `boot({machineId: m, diskId: d, …})`, `machine.agent()`, …,
 * `machine.stop()`, `removeDisk(d)`, `leftovers([m, d])` → `[]`.
 */
export interface VmDriver {
  readonly name: string;

  /** Names what `resources` tells of. Drivers whose machines take from the same room have the same; nobody reads more into it. */
  readonly host: string;

  /** Proven once on this host. Callers branch on this, never on `name`. */
  readonly capabilities: VmCapabilities;

  /**
   * Resolves when the VMM runs; the guest's agent may not answer yet.
   *
   * Rejects with `MACHINE_BOOT_FAILED`, `HOST_OUT_OF_MEMORY`, `HOST_OUT_OF_DISK` or `HOST_DAEMON_UNAVAILABLE`, after
   * releasing all it had taken: a caller never cleans up a machine it did not receive. (A caller that dies meanwhile finds it in `list`.)
   */
  boot(spec: MachineSpec, options?: Abortable): Promise<Machine>;

  /** What bears a machine id on the host now, of any server, alive or not. With `only`, those that bear the environment's id as well, and perhaps others. */
  list(only?: { readonly environment: string }): Promise<readonly FoundMachine[]>;

  /**
   * Takes over a running machine found by `list`. Rejects with `MACHINE_BOOT_FAILED` when it is not alive, with
   * `GUEST_UNREACHABLE` when it is and its VMM does not answer: ask again.
   */
  adopt(machineId: MachineId, options?: AdoptOptions): Promise<Machine>;

  /** Removes whatever is left of a machine, alive or not. Safe to repeat; resolves when nothing of it is left. */
  remove(machineId: MachineId): Promise<Removed>;

  /** With `supportsDisk` only; otherwise a disk is a no-op name. Safe to repeat for the same size. Rejects with `HOST_OUT_OF_DISK`. */
  createDisk(diskId: string, options: { readonly sizeMib: number }): Promise<void>;

  /** Safe to repeat. Rejects with `ENVIRONMENT_STATE` while a machine uses it. Resolves with the bytes that were allocated. */
  removeDisk(diskId: string): Promise<{ readonly files: number; readonly bytes: number }>;

  listDisks(): Promise<readonly FoundDisk[]>;

  /** Searches the host for anything that bears one of these ids, by other means than `remove` used. `kind name` each. */
  leftovers(ids: readonly string[]): Promise<readonly string[]>;

  /** Memory and disk space that the host can give now. Rejects with `HOST_DAEMON_UNAVAILABLE` where it does not answer. */
  resources(): Promise<HostResources>;

  /** What a machine takes of its host, by the host's own count; null where the driver has none. Rejects when there is no such machine. */
  usage(machineId: MachineId): Promise<MachineUsage | null>;

  /**
   * Changes what a running machine may use; what is absent stays as it is. With `supportsLimits` only. Rejects with `UNSUPPORTED`
   * where its host lacks what that takes, saying what, with `NOT_FOUND` when no such machine runs, and with `GUEST_UNREACHABLE` when its VMM does not answer.
   */
  limit(machineId: MachineId, limits: Partial<MachineLimits>): Promise<void>;

  /** Null: there is nothing that machines are made of, or nothing that would change. */
  readonly images: VmImages | null;

  /** Null: memory cannot be saved and restored, so that `pause` is refused and `stop` offered. */
  readonly snapshots: VmSnapshots | null;
}

/**
 * Root file systems with their kernels, each named by a key of its content. A disk is a layer over the one it was first used
 * with and makes no sense over another, so `MachineSpec.image` names it in each later boot and resume.
 */
export interface VmImages {
  /** What new disks, templates and the pool's machines are made of. The same as long as the driver lives. */
  readonly current: string;
  /** All that the host has, the newest last. */
  list(): Promise<readonly FoundImage[]>;
  /** The image of each machine and of each snapshot that is there, by its id. */
  inUse(): Promise<ReadonlyMap<string, string>>;
  /** Safe to repeat. Rejects with `ENVIRONMENT_STATE` while a machine, a template or a snapshot needs it. */
  remove(image: string): Promise<void>;
}

export interface FoundImage {
  readonly image: string;
  readonly bytes: number;
  /** A machine, a template or a snapshot needs it. Environments may need it besides. */
  readonly isUsed: boolean;
}

/**
 * Saved memory. Two kinds, both the host's own and never a guest's to write:
 *
 *   `template`  memory, device state and disk of a guest that was booted, warmed and sealed; many machines are restored
 *               from one. Named by a key of everything that its saved state depends on
 *   `snapshot`  memory and device state of one paused machine, whose disk stays where it is; resumed once
 *
 * A machine that was restored from a template answers `hello` and `identify` alone until it has been identified.
 */
export interface VmSnapshots {
  /** What a template of this shape is called on this host today, and whether it is there and whole. */
  findTemplate(shape: TemplateShape): Promise<{ readonly key: string; readonly isBuilt: boolean }>;
  /**
   * Makes a template out of a machine that was booted with `isTemplateSource` and whose agent was sealed. The machine
   * has ended afterwards, whether it succeeded or not; `stop` it. Nothing is there under the key until all of it is.
   * Rejects with `HOST_OUT_OF_DISK`, `SNAPSHOT_FAILED`.
   */
  saveTemplate(machineId: MachineId, key: string): Promise<void>;
  /** Keys of what is there, whole or not, used or not. */
  listTemplates(): Promise<readonly string[]>;
  /** Machines that run on it go on. Safe to repeat. */
  removeTemplate(key: string): Promise<void>;
  /** A disk as the template's was when it was saved. Like `createDisk`. */
  createDiskFrom(key: string, diskId: string): Promise<void>;
  /**
   * Like `boot`, from a template: resolves when the guest goes on. Rejects besides with `SNAPSHOT_CORRUPT` when the
   * template is missing, damaged or of another VMM: build it again.
   */
  restore(spec: MachineSpec & { readonly template: string }, options?: Abortable): Promise<Machine>;

  /**
   * Saves a running machine under an id of the caller's, and ends its VMM; `stop` the machine afterwards. When it
   * rejects (`HOST_OUT_OF_DISK`, `SNAPSHOT_FAILED`) the guest goes on as if nothing had happened, and nothing is saved;
   * with `HOST_DAEMON_UNAVAILABLE` it cannot be told. Safe to repeat with the same ids, also after the caller's death.
   */
  pause(machineId: MachineId, snapshotId: string): Promise<void>;
  /**
   * Like `boot`, from a snapshot, over the same disk. The snapshot stays until `removeSnapshot`, and no guest goes on from it twice.
   * Rejects besides with `SNAPSHOT_CORRUPT`. With a `GuestNeverRan`, whatever the code, the guest has certainly not
   * gone on and the snapshot is as good as before; with anything else it may have, and its disk may be another now.
   */
  resume(spec: MachineSpec & { readonly snapshotId: string }, options?: Abortable): Promise<Machine>;
  /** Safe to repeat. */
  removeSnapshot(snapshotId: string): Promise<{ readonly files: number; readonly bytes: number }>;
  listSnapshots(): Promise<readonly string[]>;
}

export interface TemplateShape {
  readonly memoryMib: number;
  readonly cpus: number;
  readonly diskMib: number;
  /** Whether its machines have a network device; not by default. */
  readonly hasNetwork?: boolean;
}

export interface VmCapabilities {
  /** How a guest's code runs. Null: it cannot be looked at from here; what it is worth is said by `isolation` alone. */
  readonly accelerator: Accelerator | null;
  /** How it was proven or refuted, for a person. */
  readonly acceleratorReason: string;
  /** What stands between two guests. Where it cannot be proven, what the back end's own configuration promises, or `none`. */
  readonly isolation: Isolation;
  /** A disk survives its machines. When false, `stop` loses all files and `start` begins with an empty disk. */
  readonly supportsDisk: boolean;
  /** The guest can power itself off. When false, ending every process is all there is. */
  readonly supportsPowerOff: boolean;
  /** There is a serial console. When false, `console` resolves with an explanation. */
  readonly supportsConsole: boolean;
  /** Machines are held to `MachineSpec.limits`, as far as their host can. When false, they take what they can get. */
  readonly supportsLimits: boolean;
  /**
   * A boot takes longer than a person waits, and there are no snapshots: the pool boots machines ahead. When false, it restores them, or
   * there is none.
   */
  readonly bootsAhead: boolean;
  /** What it can plug a machine's network device into; core asks for no other. Empty: machines have none. */
  readonly networkLinks: readonly NetworkLink["kind"][];
  /** Memory a machine may need beyond its guest's, MiB: counted when the host's free memory is checked. */
  overheadMib(spec: { readonly memoryMib: number; readonly cpus: number }): number;
}

export interface MachineSpec {
  readonly machineId: MachineId;
  readonly memoryMib: number;
  readonly cpus: number;
  /** Null: the guest's writable layer is in memory and lost with the machine. */
  readonly diskId: string | null;
  /** Whose it is, for `list`; null while it waits in the pool or becomes a template. */
  readonly environmentId: string | null;
  /** What its network device is plugged into, of a kind that `networkLinks` has; null: it has none. */
  readonly network: NetworkLink | null;
  /** What it is made of: its disk's. The driver's current one when absent. */
  readonly image?: string | null;
  /** Null where the driver does not limit its machines. */
  readonly limits: MachineLimits | null;
  /** Its memory can be saved as a template. With `snapshots` only. */
  readonly isTemplateSource?: boolean;
}

export interface FoundDisk {
  readonly diskId: string;
  /** What it may yet take of the host's disk, which has only what was written: all of it where that is not measured. */
  readonly unwrittenMib: number;
  readonly isMeasured: boolean;
}

/** What a machine may use of its host, as far as that can be changed while it runs. Its memory and its CPUs cannot. */
export interface MachineLimits {
  readonly cpu: CpuLimits;
  readonly disk: DiskLimits;
}

/** Of the host's processors, for all threads of a machine together: its guest's CPUs and its VMM's own work for them. */
export interface CpuLimits {
  /** Its part of a busy host, beside those of other machines; 1 to 10,000. */
  readonly weight: number;
  /** The most it gets, in percent of one processor. */
  readonly quotaPercent: number;
}

/** Of all its disks together, reads and writes alike. */
export interface DiskLimits {
  readonly mibPerSecond: number;
  readonly operationsPerSecond: number;
}

export interface FoundMachine {
  readonly machineId: MachineId;
  readonly alive: boolean;
  readonly environmentId: string | null;
  /**
   * The host has been rebooted since it was made: its death says nothing about it. Null: it cannot be told; a death is
   * then taken for the machine's own. A pod that was evicted with its node is true.
   */
  readonly hostRebooted: boolean | null;
}

/**
 * Counts of what was removed from the host; nothing was left of the machine, whatever they say. Null: there is no such thing
 * here, or it was removed by others who did not count. A receipt then shows 0.
 */
export interface Removed {
  readonly processes: number | null;
  readonly cgroups: number | null;
  readonly sockets: number | null;
  readonly files: number | null;
  readonly uids: number | null;
}

/** Of all processes of a machine, its VMM's own included. */
export interface MachineUsage {
  /** Since it was made. */
  readonly cpuMs: number;
  readonly memoryBytes: number;
  /** Processes and threads. */
  readonly processes: number;
}

/** `LOCAL_HOST` of the drivers whose machines are on the server's own. */
export const LOCAL_HOST = "local";

/** Null: there is no one host, or only the scheduler that places machines knows. Nothing is refused or reserved for it beforehand then. */
export interface HostResources {
  readonly memory: { readonly totalMib: number; readonly availableMib: number } | null;
  readonly disk: { readonly totalMib: number; readonly freeMib: number } | null;
  readonly cpus: number | null;
}

export interface Machine {
  readonly id: MachineId;

  /**
   * Resolves once, when the machine has ended of itself: the guest powered off (`powered-off`), its kernel died
   * (`panicked`), or the VMM did (`died`). Never resolves after `stop` was called. Never rejects.
   */
  readonly ended: Promise<MachineEnd>;

  /**
   * The guest's agent, connected and past its handshake. Calls share one connection; after it breaks, the next
   * call makes a new one. Rejects with `GUEST_UNREACHABLE` at the deadline or when the machine has ended.
   */
  agent(options: Abortable & { readonly timeoutMs: number }): Promise<GuestAgent>;

  /**
   * Looks whether a guest that answers nothing is dead, where its VMM did not say so; then `ended` resolves. Rejects
   * when it cannot be told now.
   */
  examine(): Promise<void>;

  /** The serial console's tail, at most 64 KiB, raw bytes of a hostile guest. */
  console(): Promise<Uint8Array>;

  /** Kills the VMM and releases all of the machine (never its disk). Safe to repeat. */
  stop(): Promise<Removed>;

  /** Closes this process's connections to the machine and leaves it running, for a caller that goes away. */
  release(): void;
}

export interface MachineEnd {
  readonly kind: "powered-off" | "panicked" | "died";
  /** For a person: its last output, without control characters. */
  readonly reason: string;
}

/** Of `VmSnapshots.resume`: the guest has certainly not gone on, and its snapshot is as good as before. */
export class GuestNeverRan extends PlatformError {
  constructor(failure: PlatformError) {
    super(failure.code, failure.message, { cause: failure, details: failure.details });
  }
}
