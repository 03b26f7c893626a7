import { z } from "zod";
import { Presence } from "./accounts/presence.ts";
import { LONGEST_SECONDS } from "./duration.ts";
import { EnvironmentId, EnvironmentName, NetworkId, OwnerId, TerminalId } from "./ids.ts";
import { NetworkPolicy } from "./network.ts";

/** The life of an environment as its owner sees it. */
export const EnvironmentState = z.enum(["creating", "running", "paused", "stopped", "failed", "destroying"]);
export type EnvironmentState = z.infer<typeof EnvironmentState>;

/**
 * How strongly a guest is kept apart from the host.
 * `vm`: hardware virtualisation; `emulated`: TCG, no security boundary; `none`: a host process (the `process` driver).
 */
export const Isolation = z.enum(["vm", "emulated", "container", "none"]);
export type Isolation = z.infer<typeof Isolation>;

export const Accelerator = z.enum(["kvm", "tcg", "none"]);
export type Accelerator = z.infer<typeof Accelerator>;

export const TerminalExit = z.strictObject({
  code: z.number().int().nullable(),
  signal: z.number().int().nullable(),
});
export type TerminalExit = z.infer<typeof TerminalExit>;

export const Terminal = z.strictObject({
  id: TerminalId,
  cols: z.number().int(),
  rows: z.number().int(),
  /** Oldest and newest byte offsets the guest still holds, as decimal strings (they may pass 2^53). */
  startOffset: z.string(),
  endOffset: z.string(),
  createdAt: z.iso.datetime(),
  exit: TerminalExit.nullable(),
});
export type Terminal = z.infer<typeof Terminal>;

/** A terminal, and who is at it. */
export const AttendedTerminal = z.strictObject({ ...Terminal.shape, presence: Presence });
export type AttendedTerminal = z.infer<typeof AttendedTerminal>;

/**
 * One visible stage of a create or start, in order; the page and the CLI show it. A boot goes through `disk`, `machine`,
 * `kernel`, `agent`, `terminal`; a restore through `restore`, `agent`, `terminal`; a resume through `resume`, `agent`; a claim
 * from the pool is `claim`.
 */
export const BootStep = z.enum(["claim", "restore", "resume", "disk", "machine", "kernel", "agent", "terminal"]);
export type BootStep = z.infer<typeof BootStep>;

/**
 * What is being done to an environment: `start` or `resume` while it is `creating`, nothing, `pause` or `stop` while it is
 * `running`, `destroy` (somebody asked) or `expire` (its time to live is over) while it is `destroying`.
 */
export const Operation = z.enum(["start", "resume", "pause", "stop", "destroy", "expire"]);
export type Operation = z.infer<typeof Operation>;

/**
 * The sizes there are. Memory and CPUs are part of a snapshot, so each has its own built template; any other
 * combination is a custom size, which boots.
 */
export const SIZES = {
  small: { memoryMib: 256, cpus: 1, diskMib: 2048 },
  medium: { memoryMib: 512, cpus: 1, diskMib: 2048 },
  large: { memoryMib: 1024, cpus: 2, diskMib: 2048 },
} as const;
export const Size = z.enum(["small", "medium", "large"]);
export type Size = z.infer<typeof Size>;
export const DEFAULT_SIZE: Size = "medium";

/** What will happen to an environment, or has just failed: a code and what belongs to it. The client that shows it has the words. */
export const Notice = z.discriminatedUnion("code", [
  /** It is not used, and at `at` that is done to it. */
  z.strictObject({ code: z.literal("idle"), at: z.iso.datetime(), action: z.enum(["pause", "stop"]) }),
  /** At `at` it is removed, with its disk. `isLast`: not said again before that. */
  z.strictObject({ code: z.literal("expiry"), at: z.iso.datetime(), isLast: z.boolean() }),
  /** Its owner's hours of running of the day are used up at `at`, when that is done to it, however much it is used. */
  z.strictObject({ code: z.literal("hours"), at: z.iso.datetime(), action: z.enum(["pause", "stop"]) }),
  /** It was to be paused and went on. `detail`: why, for a person. */
  z.strictObject({ code: z.literal("pause-failed"), detail: z.string() }),
]);
export type Notice = z.infer<typeof Notice>;

/** What a running environment's limits may be changed to. Its memory, CPUs and disk are fixed. */
export const LIVE_LIMITS = {
  cpuQuotaPercent: { min: 10, max: 10_000 },
  cpuWeight: { min: 1, max: 10_000 },
  diskMibPerSecond: { min: 1, max: 1_048_576 },
  diskOperationsPerSecond: { min: 10, max: 1_000_000 },
} as const;

const live = (key: keyof typeof LIVE_LIMITS) => z.number().int().min(LIVE_LIMITS[key].min).max(LIVE_LIMITS[key].max);

const liveLimits = {
  /** The most that its machine gets of the host's CPUs, in percent of one: its guest's CPUs and its VMM together. */
  cpuQuotaPercent: live("cpuQuotaPercent"),
  /** Its part of a busy host's CPUs beside others, whose default is 100 for each of their own. */
  cpuWeight: live("cpuWeight"),
  /** Reads and writes together; twice that for 5 s after a rest. */
  diskMibPerSecond: live("diskMibPerSecond"),
  diskOperationsPerSecond: live("diskOperationsPerSecond"),
} as const;

/** What an environment may use of its host, as far as it can be changed while it runs. */
export const ResourceLimits = z.strictObject(liveLimits);
export type ResourceLimits = z.infer<typeof ResourceLimits>;

export const Environment = z.strictObject({
  id: EnvironmentId,
  name: EnvironmentName,
  state: EnvironmentState,
  /** Null while nothing is. */
  operation: Operation.nullable(),
  /** How far a `start` or `resume` has come. */
  step: BootStep.nullable(),
  /**
   * For a person, and to be shown only: why it is `failed`, or `stopped` or `paused` without its owner's asking; what there is to know
   * of the operation under way (`second attempt: …`). Its words change from version to version, and may be a guest's.
   */
  reason: z.string().nullable(),
  /** Since when a running guest's agent answers nothing: its kernel is stuck, or has no processor for it. Null: it answers. */
  unresponsiveSince: z.iso.datetime().nullable(),
  owner: OwnerId,
  driver: z.string(),
  accelerator: Accelerator,
  isolation: Isolation,
  memoryMib: z.number().int(),
  cpus: z.number().int(),
  diskMib: z.number().int(),
  /** Null where its driver limits nothing. */
  limits: ResourceLimits.nullable(),
  /** Null for a custom size. */
  size: Size.nullable(),
  /** What it was made of and keeps for life, by content; null where the driver has no images. */
  image: z.string().nullable(),
  /** What it may reach. Null: it was made without a network interface, and has none for life. */
  network: NetworkPolicy.nullable(),
  /** The network that it shares with others. Null: it is in its own alone. */
  sharedNetwork: z.strictObject({ id: NetworkId, name: EnvironmentName }).nullable(),
  /** Paused (or stopped, where its driver cannot pause) after this long without input, programs or CPU use; null: never. */
  idleTimeoutSeconds: z.number().int().nullable(),
  /** Removed at this time; null: never. */
  expiresAt: z.iso.datetime().nullable(),
  notice: Notice.nullable(),
  createdAt: z.iso.datetime(),
  terminals: z.array(Terminal),
});
export type Environment = z.infer<typeof Environment>;

export const LIMITS = {
  memoryMib: { min: 128, max: 65_536, default: 512 },
  cpus: { min: 1, max: 32, default: 1 },
  diskMib: { min: 64, max: 1_048_576, default: 2048 },
} as const;

const bounded = (key: keyof typeof LIMITS) => z.number().int().min(LIMITS[key].min).max(LIMITS[key].max);

/** When an environment ends by itself. */
const times = {
  /** 0: never. */
  idleTimeoutSeconds: z.number().int().min(0).max(LONGEST_SECONDS).optional(),
  /** Seconds from now until it is removed. 0: never. */
  ttlSeconds: z.number().int().min(0).max(LONGEST_SECONDS).optional(),
} as const;

export const CreateEnvironment = z.strictObject({
  name: EnvironmentName.optional(),
  /** With `memoryMib`, `cpus` or `diskMib` beside it, what they don't say; alone, all three. */
  size: Size.optional(),
  memoryMib: bounded("memoryMib").optional(),
  cpus: bounded("cpus").optional(),
  diskMib: bounded("diskMib").optional(),
  /** What it may reach. Refused where the server cannot give it; absent: the server's default. */
  network: NetworkPolicy.optional(),
  ...times,
});
export type CreateEnvironment = z.infer<typeof CreateEnvironment>;

/** Why what a create takes is none of an update's: a saved guest cannot be given another size. */
export const FIXED_SIZE =
  "memory, CPUs and disk are fixed for an environment's life: create another one in the size that is wanted, and copy what it needs";

/** What is not said stays as it is. */
export const UpdateEnvironment = z.strictObject(
  { network: NetworkPolicy.optional(), ...times, ...ResourceLimits.partial().shape },
  {
    error: (issue) =>
      issue.code === "unrecognized_keys" && issue.keys.some((key) => key === "size" || key in LIMITS)
        ? FIXED_SIZE
        : undefined,
  },
);
export type UpdateEnvironment = z.infer<typeof UpdateEnvironment>;

/** Why an environment was removed: somebody asked, or its time to live was over. */
export const RemovalCause = z.enum(["request", "expiry"]);
export type RemovalCause = z.infer<typeof RemovalCause>;

/** What a destroy removed, counted, and what is left (an empty list, or the destroy is not done). */
export const Receipt = z.strictObject({
  environment: EnvironmentId,
  name: EnvironmentName,
  destroyedAt: z.iso.datetime(),
  cause: RemovalCause,
  removed: z.strictObject({
    processes: z.number().int(),
    cgroups: z.number().int(),
    sockets: z.number().int(),
    files: z.number().int(),
    uids: z.number().int(),
    /** Of its network: the namespace of its slot, that one's links, and connections that the host still remembered. */
    namespaces: z.number().int(),
    links: z.number().int(),
    flows: z.number().int(),
    diskBytes: z.number().int(),
  }),
  /** Everything on the host that still bears one of its ids, as `kind name`. */
  left: z.array(z.string()),
});
export type Receipt = z.infer<typeof Receipt>;

export const CreateTerminal = z.strictObject({
  cols: z.number().int().min(1).max(1000).default(80),
  rows: z.number().int().min(1).max(1000).default(24),
  command: z.array(z.string().max(4096)).min(1).max(256).optional(),
  cwd: z.string().max(4096).optional(),
});
export type CreateTerminal = z.infer<typeof CreateTerminal>;
