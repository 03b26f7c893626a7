import { z } from "zod";
import { ErrorDetails } from "./errors.ts";

/** An RFC 9457 problem document (`application/problem+json`) with microterm's extension members. */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  instance: z.string().optional(),
  code: z.string(),
  hint: z.string(),
  retryable: z.boolean(),
  /** A newer server may say something here that this version cannot read. */
  details: ErrorDetails.optional().catch(undefined),
});
export type Problem = z.infer<typeof Problem>;
