import { z } from "zod";

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
});
export type Usage = z.infer<typeof Usage>;
