import { type EnvironmentId, PlatformError } from "@microterm/protocol";
import type { Actor } from "../../access/actor.ts";
import type { Action } from "../../access/authorize.ts";
import type { Act, BegunAct } from "../../audit/audit-log.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import { requireRow } from "./lookup.ts";

/** What is done in a guest, or with what came out of it: acts that change no row. Each with what an actor needs for it. */
const NEEDED = {
  exec: "guest.exec",
  "file.download": "guest.files",
  "file.upload": "guest.files",
  "file.remove": "guest.files",
  "terminal.opened": "terminal.use",
  "terminal.closed": "terminal.use",
  "recording.changed": "terminal.use",
  "recording.download": "terminal.view",
  "recording.removed": "terminal.use",
} as const satisfies Partial<Record<Act["action"], Action>>;

export type GuestAct = Act<keyof typeof NEEDED>;

/** One that may be done now: the audit log has its beginning. */
export interface BegunGuestAct extends BegunAct {
  readonly id: EnvironmentId;
}

interface Asked {
  readonly actor: Actor;
  readonly reference: string;
  readonly act: GuestAct;
}

/** Decides whether an act may be done, and writes that it begins. */
export async function beginAct(
  { rows, audit }: Pick<EnvironmentContext, "rows" | "audit">,
  { actor, reference, act }: Asked,
): Promise<BegunAct & { readonly row: EnvironmentRow }> {
  return audit.attempt(actor, { ...act, target: reference }, async () => {
    const row = await requireRow({ rows }, { actor, action: NEEDED[act.action], reference });
    return { row, ...(await audit.begin(actor, { ...act, environment: row.id })) };
  });
}

/** Runs one whose end is that of `run`. */
export async function runAct<T>(
  context: Pick<EnvironmentContext, "rows" | "audit">,
  asked: Asked,
  run: (row: EnvironmentRow) => Promise<T>,
): Promise<T> {
  const { row, ended } = await beginAct(context, asked);
  try {
    const result = await run(row);
    await ended("done");
    return result;
  } catch (error) {
    await ended("failed", { code: error instanceof PlatformError ? error.code : "INTERNAL" });
    throw error;
  }
}
