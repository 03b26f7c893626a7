import type { EnvironmentId, OwnerId } from "@microterm/protocol";
import { releaseMachine } from "../../machines/remove-machine.ts";
import { describeError } from "../../messages/describe-error.ts";
import type { MachineEnd } from "../../ports/vm-driver.ts";
import { timestamp } from "../../time/timestamp.ts";
import { AT_REST } from "../state/at-rest.ts";
import { keepConsole } from "../state/console.ts";
import { changed, type EnvironmentContext, forgetMachine } from "../state/environment-context.ts";
import type { LiveMachine } from "../state/live-machine.ts";
import { retryUntilDone } from "../state/retry.ts";
import { followGuest } from "./liveness.ts";
import { followNames } from "./names.ts";

interface Owned {
  readonly id: EnvironmentId;
  readonly owner: OwnerId;
}

/** From now on, the machine's own end becomes the environment's `stopped` or `failed`, its guest's silence is shown, and its names are answered. */
export function watch(context: EnvironmentContext, row: Owned, live: LiveMachine): void {
  void followGuest(context, row, live);
  void followNames(context, row, live);
  void live.machine.ended.then((end) => {
    if (context.closing.signal.aborted || context.live.get(row.id) !== live) return;
    void context.operations.begin(row.id, (signal) => onEnded(context, row, live, end, signal));
  });
}

function reasonOf({ kind, reason }: MachineEnd, line: string | null): string {
  switch (kind) {
    case "powered-off":
      return "the guest powered off";
    case "panicked":
      return describeError(reason);
    case "died":
      return `the VMM died: ${describeError(reason)}${line === null ? "" : `; the console ended with: ${line}`}`;
  }
}

async function onEnded(
  context: EnvironmentContext,
  row: Owned,
  live: LiveMachine,
  end: MachineEnd,
  signal: AbortSignal,
): Promise<void> {
  // A stop or a destroy that was under way has dealt with it.
  if (context.live.get(row.id) !== live) return;
  const to = end.kind === "powered-off" ? "stopped" : "failed";
  const line = await keepConsole(context, row.id, live);
  const reason = reasonOf(end, line);
  context.log.info("a machine ended", { environment: row.id, machine: live.machine.id, kind: end.kind, reason });
  // The row first: a machine that no running row names is swept by the next start, whatever happens now.
  await retryUntilDone(context, signal, "noting an ended machine", async () => {
    await context.rows.transition(row.id, ["running"], to, {
      ...AT_REST,
      reason,
      snapshotId: null,
      ranUntil: timestamp(context.clock),
    });
  });
  forgetMachine(context, row.id);
  context.faults.hit("ended.row");
  changed(context, row);
  await retryUntilDone(context, signal, "removing an ended machine", async () => {
    await releaseMachine(context, live.driver, { id: live.machine.id, held: live.machine });
  });
  context.faults.hit("ended.machine");
}
