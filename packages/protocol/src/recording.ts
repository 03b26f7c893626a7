import { z } from "zod";

/** The recording of a terminal (asciicast v3), as its owner turned it on. */
export const Recording = z.strictObject({
  enabled: z.boolean(),
  /** Null while there is none. */
  startedAt: z.iso.datetime().nullable(),
  bytes: z.number().int().nonnegative(),
  limitBytes: z.number().int().positive(),
  /** It has reached its limit, so it goes no further. */
  isFull: z.boolean(),
});
export type Recording = z.infer<typeof Recording>;

export const SetRecording = z.strictObject({ enabled: z.boolean() });
