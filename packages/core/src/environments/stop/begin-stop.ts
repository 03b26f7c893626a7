import type { Act, By } from "../../audit/audit-log.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import { dropSnapshot } from "../state/drop-snapshot.ts";
import { changed, type EnvironmentContext } from "../state/environment-context.ts";
import { stop } from "./stop.ts";

/** Null where it is another's turn: a pause, or a stop, has begun since the row was read. */
export async function beginStop(
  context: EnvironmentContext,
  row: EnvironmentRow,
  { by, reason }: { readonly by: By; readonly reason: string | null },
): Promise<EnvironmentRow | null> {
  context.drivers.of(row);
  const stopping = { operation: "stop", reason } as const;
  const asked = await context.audit.change(by, stoppedAct(row, reason), ({ environments }) =>
    environments.transition(row.id, ["running"], "running", stopping, { operation: row.operation }),
  );
  if (asked === null) return null;
  context.faults.hit("stop.row");
  changed(context, row);
  // A recovery may still be trying to take its machine over: the stop does not wait for that.
  if (!context.live.has(row.id)) void context.operations.abort(row.id);
  void context.operations.begin(row.id, (signal) => stop(context, row.id, signal));
  return asked;
}

/** A pause cannot be called back: whatever comes of it is stopped when it has ended. Null when it has ended already. */
export async function stopAfterPause(
  context: EnvironmentContext,
  row: EnvironmentRow,
  by: By,
): Promise<EnvironmentRow | null> {
  context.drivers.of(row);
  const { id, snapshotId } = row;
  const stopping = { operation: "stop", reason: null } as const;
  const pausing = { operation: "pause", snapshotId } as const;
  const asked = await context.audit.change(by, stoppedAct(row, null), ({ environments }) =>
    environments.transition(id, ["running"], "running", stopping, pausing),
  );
  if (asked === null) return null;
  context.faults.hit("stop.row");
  changed(context, asked);
  // The pause itself ends in `stopped` where it succeeds.
  void context.operations.begin(id, (signal) => stop(context, id, signal));
  return asked;
}

/** A `paused` one loses its memory. No effect when it is not paused any more. */
export async function stopPaused(context: EnvironmentContext, row: EnvironmentRow, by: By): Promise<void> {
  context.drivers.of(row);
  const patch = { reason: null, snapshotId: null };
  const only = { snapshotId: row.snapshotId };
  const stopped = await context.audit.change(by, stoppedAct(row, null), ({ environments }) =>
    environments.transition(row.id, ["paused"], "stopped", patch, only),
  );
  if (stopped === null) return;
  dropSnapshot(context, row);
  changed(context, row);
}

const stoppedAct = (row: EnvironmentRow, reason: string | null): Act => ({
  action: "environment.stopped",
  environment: row.id,
  detail: reason === null ? {} : { reason },
});
