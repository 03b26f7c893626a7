import { PlatformError } from "@microterm/protocol";
import type { By } from "../../audit/audit-log.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import { changed, type EnvironmentContext } from "../state/environment-context.ts";
import { pause } from "./pause.ts";

/** Null where it is another's turn: a pause, or a stop, has begun since the row was read. */
export async function beginPause(
  context: EnvironmentContext,
  row: EnvironmentRow,
  { by, reason }: { readonly by: By; readonly reason: string | null },
): Promise<EnvironmentRow | null> {
  const driver = context.drivers.of(row);
  const { snapshots } = driver;
  if (snapshots === null) {
    const advice = driver.capabilities.supportsDisk
      ? "stop it, which keeps its disk, and start it again"
      : "stop it instead";
    throw new PlatformError(
      "UNSUPPORTED",
      `'${row.name}' cannot be paused, because the driver '${driver.name}' keeps no memory: ${advice}`,
    );
  }
  const { machineId } = row;
  if (machineId === null || !context.live.has(row.id)) {
    throw new PlatformError("GUEST_UNREACHABLE", `'${row.name}' is not connected: try again in a moment`);
  }
  const snapshotId = context.random.id(16);
  // A second request must not rename what the first is saving.
  const free = { operation: null, machineId, snapshotId: null };
  const patch = { operation: "pause", reason, snapshotId } as const;
  const detail = reason === null ? {} : { reason };
  const asked = await context.audit.change(by, { action: "environment.paused", environment: row.id, detail }, (to) =>
    to.environments.transition(row.id, ["running"], "running", patch, free),
  );
  if (asked === null) return null;
  context.faults.hit("pause.row");
  changed(context, row);
  const pausing = { ...asked, machineId, snapshotId };
  void context.operations.begin(row.id, (signal) => pause(context, { row: pausing, snapshots, signal }));
  return asked;
}
