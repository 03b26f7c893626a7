import type { EnvironmentRow } from "../../ports/repository.ts";
import type { EnvironmentContext } from "./environment-context.ts";
import { retryUntilDone } from "./retry.ts";

/** Removes a snapshot that no row names any more. In the background: no caller waits for it, and a recovery would find it. */
export function dropSnapshot(context: EnvironmentContext, row: EnvironmentRow): void {
  const { id, snapshotId } = row;
  const { snapshots } = context.drivers.of(row);
  if (snapshotId === null || snapshots === null) return;
  void context.operations.begin(id, (signal) =>
    retryUntilDone(context, signal, "removing saved memory", async () => {
      await snapshots.removeSnapshot(snapshotId);
    }),
  );
}
