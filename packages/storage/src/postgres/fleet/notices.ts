import type { FleetNotice } from "@microterm/core";
import { EnvironmentId, OwnerId } from "@microterm/protocol";
import { z } from "zod";

/** The channel of LISTEN and NOTIFY. */
export const CHANNEL = "microterm";
/** PostgreSQL takes 8,000 bytes; ours are ids. */
const MAX_LENGTH = 300;

const ofEnvironment = { id: EnvironmentId, owner: OwnerId };

const Notice = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.enum(["changed", "removed"]), ...ofEnvironment }),
  z.strictObject({ kind: z.literal("transferred"), ...ofEnvironment, to: OwnerId }),
  z.strictObject({ kind: z.literal("work"), id: EnvironmentId }),
  z.strictObject({ kind: z.enum(["revoked", "preview", "grant"]), key: z.string().regex(/^[0-9a-z]{1,64}$/) }),
  z.strictObject({ kind: z.enum(["orphans", "disabled", "died", "missed"]) }),
]);

/** What is sent: a notice, and by whom, as a sender hears itself. */
const Sent = z.strictObject({ from: z.int().positive(), notice: Notice });

export const encodeNotice = (from: number, notice: FleetNotice): string => JSON.stringify({ from, notice });

/** Null: it is none of ours, or of another version of microterm. */
export function parseNotice(payload: string): { readonly from: number; readonly notice: FleetNotice } | null {
  if (payload.length > MAX_LENGTH) return null;
  try {
    return Sent.parse(JSON.parse(payload));
  } catch {
    return null;
  }
}
