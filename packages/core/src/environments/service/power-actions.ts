import type { Environment, OwnerId } from "@microterm/protocol";
import type { EnvironmentRow } from "../../ports/repository.ts";
import { beginStart } from "../start/begin-start.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import { refusal } from "../state/refusal.ts";
import { beginPause } from "../stop/begin-pause.ts";
import { beginStop, stopAfterPause, stopPaused } from "../stop/begin-stop.ts";
import type { EnvironmentService } from "./environment-service.ts";
import { requireRow } from "./lookup.ts";
import { toEnvironment } from "./view.ts";

/** Starting, stopping, pausing and resuming: each changes the row, and what it leaves to do goes on in the background. */
export function createPowerActions(
  context: EnvironmentContext,
): Pick<EnvironmentService, "start" | "stop" | "pause" | "resume"> {
  /** Null: another request was faster, and what it made of the row is the answer. */
  const answer = async (row: EnvironmentRow, asked: EnvironmentRow | null): Promise<Environment> =>
    toEnvironment(context, asked ?? (await requireRow(context, row.owner, row.id)));

  async function start(owner: OwnerId, reference: string): Promise<Environment> {
    const row = await requireRow(context, owner, reference);
    if (row.state === "creating" || row.state === "running") return answer(row, row);
    if (row.state === "destroying") throw refusal(row, "it cannot be started");
    return answer(row, await beginStart(context, row));
  }

  async function stop(owner: OwnerId, reference: string): Promise<Environment> {
    const row = await requireRow(context, owner, reference);
    if (row.state === "stopped" || row.state === "failed") return answer(row, row);
    if (row.state === "paused") {
      await stopPaused(context, row);
      return answer(row, null);
    }
    if (row.state !== "running") throw refusal(row, "it cannot be stopped");
    if (row.operation === "pause") {
      const asked = await stopAfterPause(context, row);
      return asked === null ? stop(owner, row.id) : answer(row, asked);
    }
    if (row.operation === "stop" && context.operations.isBusy(row.id)) return answer(row, row);
    return answer(row, await beginStop(context, row, null));
  }

  async function pause(owner: OwnerId, reference: string): Promise<Environment> {
    const row = await requireRow(context, owner, reference);
    if (row.state === "paused" || row.operation === "pause") return answer(row, row);
    if (row.state !== "running") throw refusal(row, "only a running one can be paused");
    if (row.operation === "stop") throw refusal(row, "it is being stopped");
    return answer(row, await beginPause(context, row, null));
  }

  async function resume(owner: OwnerId, reference: string): Promise<Environment> {
    const row = await requireRow(context, owner, reference);
    if (row.state === "stopped" || row.state === "failed") {
      throw refusal(row, "its memory is not kept; 'start' boots it with its disk");
    }
    return start(owner, row.id);
  }

  return { start, stop, pause, resume };
}
