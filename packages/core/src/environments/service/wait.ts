import { type EnvironmentId, PlatformError } from "@microterm/protocol";
import type { Actor } from "../../access/actor.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import { withDeadline } from "../../time/deadline.ts";
import { createWakeup } from "../../time/wakeup.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import type { WaitOptions, WaitState } from "./environment-service.ts";

/** Resolves with the row once it is in one of the states, with null once it is gone and that was waited for. */
export async function waitFor(
  context: EnvironmentContext,
  id: EnvironmentId,
  actor: Actor,
  { states, timeoutMs, signal }: WaitOptions,
): Promise<EnvironmentRow | null> {
  const wakeup = createWakeup();
  const unsubscribe = [
    context.changes.subscribe((change) => {
      if (change.id === id) wakeup.wake();
    }),
    // Its end may be among what was missed.
    context.fleet.subscribe(({ kind }) => {
      if (kind === "missed" || kind === "died") wakeup.wake();
    }),
  ];
  const wanted = states.join(" or ");
  const error = () => new PlatformError("WAIT_TIMEOUT", `the environment was not ${wanted} within ${timeoutMs} ms`);
  const { clock } = context;
  // The caller's own deadline, on whatever host.
  const ownMs = timeoutMs / clock.deadlineFactor;
  try {
    return await withDeadline({ clock, timeoutMs: ownMs, error, signal }, async (bounded) => {
      for (;;) {
        bounded.throwIfAborted();
        // Listening before looking, or a change in between would be missed.
        const next = wakeup.next();
        const row = await context.rows.get(id, actor);
        if (reached(row, states)) return row;
        await next;
      }
    });
  } finally {
    for (const end of unsubscribe) end();
  }
}

/** True when it is there; throws when it can no longer get there. */
export function reached(row: EnvironmentRow | null, states: readonly WaitState[]): boolean {
  if (row === null) {
    if (states.includes("gone")) return true;
    throw new PlatformError("ENVIRONMENT_NOT_FOUND", "the environment was removed meanwhile");
  }
  if (states.includes(row.state)) return true;
  // A caller that waits for its end waits through every other state.
  if (states.includes("gone") || states.includes("destroying")) return false;
  if (row.state === "failed" || row.state === "destroying") {
    throw new PlatformError(
      "ENVIRONMENT_STATE",
      `the environment is ${row.state}${row.reason === null ? "" : `: ${row.reason}`}`,
      { details: { name: row.name, state: row.state } },
    );
  }
  return false;
}
