import { z } from "zod";
import { Accelerator, Isolation } from "./environment.ts";

/** `GET /v1/host`: what a person needs to know about the machine the environments run on. */
export const HostStatus = z.strictObject({
  version: z.string(),
  driver: z.string(),
  accelerator: Accelerator,
  /** Why this accelerator: how KVM was proven or refuted. */
  acceleratorReason: z.string(),
  isolation: Isolation,
  /** What guests can reach: `loopback` until networks come. */
  network: z.literal("loopback"),
  memory: z.strictObject({ totalMib: z.number().int(), availableMib: z.number().int() }),
  disk: z.strictObject({ totalMib: z.number().int(), freeMib: z.number().int() }),
  cpus: z.number().int(),
  environments: z.number().int(),
});
export type HostStatus = z.infer<typeof HostStatus>;

/** `POST /v1/session`: exchange of a one-time sign-in token (from the link's fragment) for a session cookie. */
export const SignIn = z.strictObject({ token: z.string().min(16).max(128) });
/** `GET /v1/session`. */
export const Session = z.strictObject({ owner: z.string(), version: z.string() });
export type Session = z.infer<typeof Session>;
