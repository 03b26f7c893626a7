import { z } from "zod";
import { ResourceLimits } from "./environment.ts";

/** `GET /v1/environments/{env}/metrics`: what a running environment uses. */
export const Usage = z.strictObject({
  /** As the guest tells it: docs/reference/agent-protocol.md, `GET /v1/metrics`. */
  guest: z.strictObject({
    uptimeMs: z.number(),
    cpu: z.strictObject({ userMs: z.number(), systemMs: z.number(), idleMs: z.number() }),
    memory: z.strictObject({ totalKib: z.number(), availableKib: z.number() }),
    disk: z.strictObject({ totalKib: z.number(), freeKib: z.number() }),
    processes: z.number(),
    load1: z.number(),
  }),
  /** What its machine takes of the host, by the host's count, CPU time since it was started; null where the driver does not count. */
  host: z.strictObject({ cpuMs: z.number(), memoryBytes: z.number(), processes: z.number() }).nullable(),
  /** What it may use at most, for the same look at it. */
  limits: z.strictObject({
    memoryMib: z.number().int(),
    cpus: z.number().int(),
    diskMib: z.number().int(),
    /** Of `Environment.limits`: of its machine, its VMM's work included. Null where its driver limits nothing. */
    machine: ResourceLimits.nullable(),
  }),
});
export type Usage = z.infer<typeof Usage>;
