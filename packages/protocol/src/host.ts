import { z } from "zod";
import { Accelerator, Isolation, Size } from "./environment.ts";
import { NetworkMode, NetworkPolicy } from "./network.ts";

/** One stage of making a template, in order. */
export const TemplateStep = z.enum(["disk", "machine", "kernel", "agent", "warm", "seal", "save"]);
export type TemplateStep = z.infer<typeof TemplateStep>;

/** `GET /v1/host`: what a person needs to know about the machine the environments run on. */
export const HostStatus = z.strictObject({
  version: z.string(),
  driver: z.string(),
  /** Why this driver, for a person; null where nothing was chosen. */
  driverReason: z.string().nullable(),
  accelerator: Accelerator,
  /** Why this accelerator: how KVM was proven or refuted. */
  acceleratorReason: z.string(),
  isolation: Isolation,
  /** The network provider's name. `loopback`: guests reach nothing but themselves. */
  network: z.string(),
  /** Why that is all, for a person; null where environments reach more. */
  networkReason: z.string().nullable(),
  /** What environments may be given; empty: they reach nothing but themselves. */
  networkModes: z.array(NetworkMode),
  /** Whether environments are held to their policies; not so with `--insecure-no-network-policy` where nothing does. */
  isNetworkEnforced: z.boolean(),
  /** What one has that is created without a word about it; null where it has no network. */
  defaultNetwork: NetworkPolicy.nullable(),
  /** Where the server keeps its state. `place` is null of SQLite, which lies in the data folder. */
  database: z.strictObject({ kind: z.enum(["sqlite", "postgresql"]), place: z.string().nullable() }),
  memory: z.strictObject({ totalMib: z.number().int(), availableMib: z.number().int() }),
  disk: z.strictObject({ totalMib: z.number().int(), freeMib: z.number().int() }),
  cpus: z.number().int(),
  environments: z.number().int(),
  /** Each size and whether it starts at once. `unsupported`: the driver has no snapshots, so every create boots. */
  templates: z.array(
    z.strictObject({
      size: Size,
      memoryMib: z.number().int(),
      cpus: z.number().int(),
      diskMib: z.number().int(),
      state: z.enum(["waiting", "building", "ready", "failed", "unsupported"]),
      /** While `building`. */
      step: TemplateStep.nullable(),
      /** Why it failed, or is made once more, for a person. */
      reason: z.string().nullable(),
    }),
  ),
  /** Images that are kept, each with its users. */
  images: z.array(
    z.strictObject({
      image: z.string(),
      bytes: z.number().int().nonnegative(),
      /** New environments are made of it. */
      isCurrent: z.boolean(),
      /** Made of it, of whatever owner and in whatever state: it is kept as long as there are any. */
      environments: z.number().int().nonnegative(),
    }),
  ),
  /** Machines that wait to be claimed. */
  pool: z.strictObject({
    wanted: z.number().int(),
    ready: z.number().int(),
    /** Why there are fewer than were wanted, for a person. */
    reason: z.string().nullable(),
  }),
});
export type HostStatus = z.infer<typeof HostStatus>;
