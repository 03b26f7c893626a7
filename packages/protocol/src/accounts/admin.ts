import { z } from "zod";
import { Environment, Terminal } from "../environment.ts";
import { HostStatus } from "../host.ts";
import { EnvironmentName } from "../ids.ts";
import { Usage } from "../usage.ts";

/**
 * `GET /v1/admin/environments`: one of any owner's, and what it takes of the host. What its guest says of itself, such as the titles of
 * its terminals, is its owner's.
 */
export const AdminEnvironment = z.strictObject({
  ...Environment.omit({ terminals: true }).shape,
  ownerName: z.string(),
  use: z.strictObject({
    /** CPU time since its machine was made, memory and processes; null while it has no machine, or its driver does not count. */
    machine: Usage.shape.host,
    /** What its disk has been written of what it may become; null where its driver has none. */
    diskMib: z.number().int().nullable(),
  }),
});
export type AdminEnvironment = Readonly<z.infer<typeof AdminEnvironment>>;

/** `GET /v1/admin/environments/{environment}/terminals`: what can be looked into. Nothing of what is in it. */
export const ForeignTerminal = Terminal.pick({ id: true, createdAt: true });
export type ForeignTerminal = Readonly<z.infer<typeof ForeignTerminal>>;

/** `POST /v1/admin/environments/{environment}/transfer` */
export const TransferEnvironment = z.strictObject({
  /** Its new owner, by name or id. */
  account: z.string().min(1).max(64),
  /** What it is called from then on, where its new owner has one of its name. */
  name: EnvironmentName.optional(),
  /** Past the new owner's quota as well. */
  force: z.boolean().default(false),
});
export type TransferEnvironment = z.input<typeof TransferEnvironment>;

/** `GET /v1/admin/host`: how much of the host is in use, and how much is promised to machines. */
export const AdminHost = z.strictObject({
  /** Programs that run or wait to, over 1, 5 and 15 minutes: proc_loadavg(5). */
  load: z.strictObject({ one: z.number(), five: z.number(), fifteen: z.number() }),
  cpus: z.strictObject({ total: z.number().int(), promised: z.number().int(), limit: z.number() }),
  memory: z.strictObject({
    totalMib: z.number().int(),
    availableMib: z.number().int(),
    promisedMib: z.number().int(),
    limitMib: z.number(),
  }),
  disk: z.strictObject({
    totalMib: z.number().int(),
    freeMib: z.number().int(),
    /** To disks that have not been written so far. */
    promisedMib: z.number().int(),
  }),
  /** What all machines of environments take together. */
  machines: z.strictObject({
    count: z.number().int(),
    cpuMs: z.number(),
    memoryBytes: z.number(),
    processes: z.number().int(),
  }),
  environments: z.number().int(),
  pool: HostStatus.shape.pool,
});
export type AdminHost = Readonly<z.infer<typeof AdminHost>>;
