import type { HostAnswer, VmmName } from "./daemon-answers.ts";
import { DaemonConnection, type DaemonConnectionOptions } from "./daemon-connection.ts";

/**
 * Where a machine's memory comes from: `plain` boots, `template-source` boots a guest whose memory can become a
 * template's; the others go on where a template or a save was taken.
 */
export type LaunchMemory = "plain" | "template-source" | { readonly template: string } | { readonly save: string };

/** Which VMM, in the arguments of a launch or of a template's shape: left out for QEMU, as daemons of before do not know the word. */
export const launchedBy = (vmm: VmmName): { readonly vmm?: VmmName } => (vmm === "qemu" ? {} : { vmm });

export interface TemplateShapeArgs {
  readonly image: string;
  readonly memoryMib: number;
  readonly cpus: number;
  readonly diskMib: number;
  readonly accelerator: "tcg" | "kvm";
  /** Whether its machines have a network device; not by default. */
  readonly network?: boolean;
  /** `qemu` by default. */
  readonly vmm?: VmmName;
}

/** What is absent stays as it is; of a new machine, as a host has it. */
export interface LimitArgs {
  /** Of the host's processors, for all threads of a machine together. */
  readonly cpu?: { readonly weight: number; readonly quotaPercent: number };
  /** Of all its block devices together; the burst for `burstSeconds` after it has rested. */
  readonly disk?: {
    readonly bytesPerSecond: number;
    readonly operationsPerSecond: number;
    readonly burstBytesPerSecond: number;
    readonly burstOperationsPerSecond: number;
    readonly burstSeconds: number;
  };
}

export interface LaunchArgs {
  readonly machineId: string;
  readonly image: string;
  readonly diskId: string | null;
  readonly memoryMib: number;
  readonly cpus: number;
  readonly accelerator: "tcg" | "kvm";
  /** `qemu` by default. Firecracker needs `kvm`. */
  readonly vmm?: VmmName;
  /**
   * 32 hexadecimal digits, fresh for each boot: the guest channel's key (docs/reference/agent-protocol.md, Resync). A
   * restored guest keeps the one it was booted with, and this is passed over: the answer tells which it is.
   */
  readonly magic?: string;
  /** `plain` by default. */
  readonly memory?: LaunchMemory;
  readonly labels?: { readonly environment: string };
  readonly limits?: LimitArgs;
  /** What its one network device is plugged into; it has none without. */
  readonly slot?: string;
}

/** `ports`: first and last. One of `cidr` and `name`; under a name addresses are admitted one by one. */
export interface SlotRule {
  readonly cidr?: string;
  readonly name?: string;
  readonly protocol: "any" | "tcp" | "udp" | "icmp";
  readonly ports?: readonly [number, number];
}

export type AttachedSlot = HostAnswer<"network.attach">;

export type SlotPolicy = "none" | "open" | { readonly allowlist: readonly SlotRule[] };

/** An address that a name stands for; `mark` is that of the name's rule. */
export interface SlotAdmission {
  readonly mark: number;
  readonly address: string;
  readonly protocol: "tcp" | "udp";
  readonly port: number;
  /** 1 to 86,400. */
  readonly ttlSeconds: number;
}

/**
 * The verbs of microterm-host (docs/reference/host-protocol.md), typed.
 *
 * Every call has a deadline and finds the daemon again after its death. Calls reject with `HOST_DAEMON_UNAVAILABLE` when it
 * cannot be reached or does not answer, `HOST_OUT_OF_DISK`, `HOST_OUT_OF_MEMORY`, `ENVIRONMENT_STATE` (`busy`,
 * `exists`), `NOT_FOUND`, `SNAPSHOT_CORRUPT`, `SNAPSHOT_FAILED`, `UNSUPPORTED`, or `INTERNAL`; `hostCodeOf` tells the daemon's own code.
 */
export interface HostDaemonClient {
  readonly socketPath: string;
  hello(): Promise<HostAnswer<"hello">>;
  /**
   * Waits until nothing is under way any more of what clients asked for that have gone since, such as a server that
   * died: only then do the lists show all there is. Rejects with `ENVIRONMENT_STATE` (`busy`) after 120 s.
   */
  settle(): Promise<void>;
  verifyImage(image: string): Promise<HostAnswer<"image.verify">>;
  /** Takes in what lies in the folder that the daemon was started with. */
  importImages(): Promise<HostAnswer<"image.import">>;
  /** The one imported last at the end, each with whether a machine, a template or a save needs it. */
  listImages(): Promise<HostAnswer<"image.list">["images"]>;
  /** Rejects with `ENVIRONMENT_STATE` (`busy`) while one does. */
  removeImage(image: string): Promise<HostAnswer<"image.remove">["removed"]>;
  createDisk(diskId: string, sizeMib: number): Promise<void>;
  /** A disk as the template's was when it was saved. */
  createDiskFrom(diskId: string, template: string): Promise<void>;
  removeDisk(diskId: string): Promise<HostAnswer<"disk.remove">["removed"]>;
  /**
   * Not repeated when the connection breaks: the caller must `kill`. Rejects with `SNAPSHOT_CORRUPT` when the
   * memory to restore is missing, damaged or of another VMM; nothing of the machine is left then.
   */
  launch(args: LaunchArgs): Promise<HostAnswer<"machine.launch">>;
  /**
   * Saves a running machine and ends its VMM; `kill` it afterwards. When it rejects (`HOST_OUT_OF_DISK`,
   * `SNAPSHOT_FAILED`) the guest goes on and nothing is saved. Not repeated when the connection breaks: the caller
   * looks in `listSaves`; a daemon that died before the save was whole has continued the guest.
   */
  saveMachine(machineId: string, saveId: string): Promise<HostAnswer<"machine.save">>;
  listSaves(): Promise<HostAnswer<"save.list">["saves"]>;
  removeSave(saveId: string): Promise<HostAnswer<"save.remove">["removed"]>;
  /** What a template of this shape is called on this host today, and whether it is there and whole. */
  findTemplate(shape: TemplateShapeArgs): Promise<HostAnswer<"template.find">>;
  /** Makes a template out of a `template-source`, whose VMM has ended afterwards in any case; `kill` the machine. */
  saveTemplate(machineId: string, template: string): Promise<HostAnswer<"template.save">>;
  listTemplates(): Promise<HostAnswer<"template.list">["templates"]>;
  /** Machines that run on it go on. */
  removeTemplate(template: string): Promise<HostAnswer<"template.remove">["removed"]>;
  kill(machineId: string): Promise<HostAnswer<"machine.kill">["removed"]>;
  list(): Promise<HostAnswer<"list">>;
  scan(ids: readonly string[]): Promise<HostAnswer<"scan">["found"]>;
  usage(machineId: string): Promise<HostAnswer<"machine.usage">>;
  /** Changes what a machine that runs may use. Rejects with `UNSUPPORTED` where the host limits no processors. */
  limit(machineId: string, limits: LimitArgs): Promise<void>;
  /** What a machine's VMM may take of the host's memory besides its guest's: QEMU's by accelerator, and Firecracker's. */
  overhead(): Promise<HostAnswer<"machine.overhead">>;
  networkStatus(): Promise<HostAnswer<"network.status">>;
  listNetworks(): Promise<HostAnswer<"network.list">>;
  /** A slot for a machine, always the same one until it is released; it allows nothing yet. */
  attachNetwork(machineId: string): Promise<AttachedSlot>;
  /** In the place of the shared network that it was in. */
  joinNetwork(machineId: string, network: string): Promise<AttachedSlot>;
  leaveNetwork(machineId: string): Promise<AttachedSlot>;
  releaseNetwork(machineId: string): Promise<HostAnswer<"network.release">["removed"]>;
  /** Answers with a mark for each rule of an allowlist, in order. */
  setNetworkPolicy(machineId: string, policy: SlotPolicy): Promise<readonly number[]>;
  admitToNetwork(machineId: string, entries: readonly SlotAdmission[]): Promise<void>;
  networkDenials(machineId: string): Promise<HostAnswer<"network.denials">["denials"]>;
  networkUsage(machineId: string): Promise<HostAnswer<"network.usage">>;
  /** Takes back all that the host has for networks. Rejects with `ENVIRONMENT_STATE` (`busy`) while a machine has a slot. */
  removeNetworks(): Promise<void>;
  resources(): Promise<HostAnswer<"host.resources">>;
  /** Of QEMU's jail unless `vmm` says otherwise. */
  probeJail(vmm?: VmmName): Promise<HostAnswer<"jail.probe">>;
  close(): void;
}

/** Connects at the first call. */
export function createHostDaemonClient(options: DaemonConnectionOptions): HostDaemonClient {
  const connection = new DaemonConnection(options);
  return {
    socketPath: options.socketPath,
    hello: () => connection.call("hello", {}),
    settle: async () => {
      await connection.call("settle", {});
    },
    verifyImage: (image) => connection.call("image.verify", { image }),
    importImages: () => connection.call("image.import", {}),
    listImages: async () => (await connection.call("image.list", {})).images,
    removeImage: async (image) => (await connection.call("image.remove", { image })).removed,
    createDisk: async (diskId, sizeMib) => {
      await connection.call("disk.create", { diskId, sizeMib });
    },
    createDiskFrom: async (diskId, template) => {
      await connection.call("disk.create", { diskId, template });
    },
    removeDisk: async (diskId) => (await connection.call("disk.remove", { diskId })).removed,
    launch: (args) => connection.call("machine.launch", { ...args }),
    saveMachine: (machineId, saveId) => connection.call("machine.save", { machineId, saveId }),
    listSaves: async () => (await connection.call("save.list", {})).saves,
    removeSave: async (saveId) => (await connection.call("save.remove", { saveId })).removed,
    findTemplate: (shape) => connection.call("template.find", { ...shape }),
    saveTemplate: (machineId, template) => connection.call("template.save", { machineId, template }),
    listTemplates: async () => (await connection.call("template.list", {})).templates,
    removeTemplate: async (template) => (await connection.call("template.remove", { template })).removed,
    kill: async (machineId) => (await connection.call("machine.kill", { machineId })).removed,
    list: () => connection.call("list", {}),
    scan: async (ids) => (await connection.call("scan", { ids })).found,
    usage: (machineId) => connection.call("machine.usage", { machineId }),
    limit: async (machineId, limits) => {
      await connection.call("machine.limit", { machineId, limits });
    },
    overhead: () => connection.call("machine.overhead", {}),
    networkStatus: () => connection.call("network.status", {}),
    listNetworks: () => connection.call("network.list", {}),
    attachNetwork: (machineId) => connection.call("network.attach", { machineId }),
    joinNetwork: (machineId, network) => connection.call("network.join", { machineId, network }),
    leaveNetwork: (machineId) => connection.call("network.leave", { machineId }),
    releaseNetwork: async (machineId) => (await connection.call("network.release", { machineId })).removed,
    setNetworkPolicy: async (machineId, policy) =>
      (await connection.call("network.policy", { machineId, policy })).marks,
    admitToNetwork: async (machineId, entries) => {
      await connection.call("network.admit", { machineId, entries });
    },
    networkDenials: async (machineId) => (await connection.call("network.denials", { machineId })).denials,
    networkUsage: (machineId) => connection.call("network.usage", { machineId }),
    removeNetworks: async () => {
      await connection.call("network.remove", {});
    },
    resources: () => connection.call("host.resources", {}),
    probeJail: (vmm = "qemu") => connection.call("jail.probe", launchedBy(vmm)),
    close: () => connection.close(),
  };
}
