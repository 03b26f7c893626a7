import type { Environment } from "@microterm/protocol";
import type { Actor } from "../../access/actor.ts";
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
  const find = (actor: Actor, reference: string): Promise<EnvironmentRow> =>
    requireRow(context, { actor, action: "environment.change", reference });
  const view = (row: EnvironmentRow): Promise<Environment> => toEnvironment(context, row);
  /** Null: another request was faster, and what it made of the row is the answer. */
  const answer = async (actor: Actor, { id }: EnvironmentRow, changed: EnvironmentRow | null): Promise<Environment> =>
    view(changed ?? (await find(actor, id)));

  async function start(actor: Actor, reference: string): Promise<Environment> {
    const row = await find(actor, reference);
    if (row.state === "creating" || row.state === "running") return view(row);
    if (row.state === "destroying") throw refusal(row, "it cannot be started");
    return answer(actor, row, await beginStart(context, row));
  }

  async function stop(actor: Actor, reference: string): Promise<Environment> {
    const row = await find(actor, reference);
    if (row.state === "stopped" || row.state === "failed") return view(row);
    if (row.state === "paused") {
      await stopPaused(context, row);
      return answer(actor, row, null);
    }
    if (row.state !== "running") throw refusal(row, "it cannot be stopped");
    if (row.operation === "pause") {
      const stopping = await stopAfterPause(context, row);
      return stopping === null ? stop(actor, row.id) : view(stopping);
    }
    if (row.operation === "stop" && context.operations.isBusy(row.id)) return view(row);
    return answer(actor, row, await beginStop(context, row, null));
  }

  async function pause(actor: Actor, reference: string): Promise<Environment> {
    const row = await find(actor, reference);
    if (row.state === "paused" || row.operation === "pause") return view(row);
    if (row.state !== "running") throw refusal(row, "only a running one can be paused");
    if (row.operation === "stop") throw refusal(row, "it is being stopped");
    return answer(actor, row, await beginPause(context, row, null));
  }

  async function resume(actor: Actor, reference: string): Promise<Environment> {
    const row = await find(actor, reference);
    if (row.state === "stopped" || row.state === "failed") {
      throw refusal(row, "its memory is not kept; 'start' boots it with its disk");
    }
    return start(actor, row.id);
  }

  return { start, stop, pause, resume };
}
