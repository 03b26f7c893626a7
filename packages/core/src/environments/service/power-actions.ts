import { type Environment, PlatformError } from "@microterm/protocol";
import type { Actor } from "../../access/actor.ts";
import type { Action } from "../../access/authorize.ts";
import type { Act } from "../../audit/audit-log.ts";
import { isHeldByPeer } from "../../ports/fleet.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import { beginStart } from "../start/begin-start.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import { refusal } from "../state/refusal.ts";
import { beginPause } from "../stop/begin-pause.ts";
import { beginStop, stopAfterPause, stopPaused } from "../stop/begin-stop.ts";
import type { EnvironmentService } from "./environment-service.ts";
import { requireRow } from "./lookup.ts";
import { shownTo, toEnvironment } from "./view.ts";

type PowerAct = Act<"environment.started" | "environment.stopped" | "environment.paused" | "environment.resumed">;

/** Starting, stopping, pausing and resuming: each changes the row, and what it leaves to do goes on in the background. */
export function createPowerActions(
  context: EnvironmentContext,
): Pick<EnvironmentService, "start" | "stop" | "pause" | "resume"> {
  const find = (actor: Actor, reference: string, action: Action = "environment.change"): Promise<EnvironmentRow> =>
    requireRow(context, { actor, action, reference });
  const view = (row: EnvironmentRow): Promise<Environment> => toEnvironment(context, row);
  /** Null: another request was faster, and what it made of the row is the answer. */
  const answer = async (actor: Actor, { id }: EnvironmentRow, changed: EnvironmentRow | null): Promise<Environment> =>
    shownTo(actor, await view(changed ?? (await find(actor, id, "environment.read"))));

  async function start(actor: Actor, reference: string, action?: Action): Promise<Environment> {
    const row = await find(actor, reference, action);
    if (row.state === "creating" || row.state === "running") return answer(actor, row, row);
    if (row.state === "destroying") throw refusal(row, "it cannot be started");
    return answer(actor, row, await beginStart(context, row, actor));
  }

  async function stop(actor: Actor, reference: string): Promise<Environment> {
    const row = await find(actor, reference, "environment.stop");
    if (row.state === "stopped" || row.state === "failed") return answer(actor, row, row);
    if (row.state === "paused") {
      await stopPaused(context, row, actor);
      return answer(actor, row, null);
    }
    if (row.state !== "running") throw refusal(row, "it cannot be stopped");
    if (isHeldByPeer(context.fleet, row)) {
      throw new PlatformError("ENVIRONMENT_MOVED", `'${row.name}' is another server's by now: try again in a moment`);
    }
    if (row.operation === "pause") {
      const stopping = await stopAfterPause(context, row, actor);
      return stopping === null ? stop(actor, row.id) : answer(actor, row, stopping);
    }
    if (row.operation === "stop" && context.operations.isBusy(row.id)) return answer(actor, row, row);
    const reason = row.owner === actor.owner ? null : "an admin stopped it";
    return answer(actor, row, await beginStop(context, row, { by: actor, reason }));
  }

  async function pause(actor: Actor, reference: string): Promise<Environment> {
    const row = await find(actor, reference, "environment.pause");
    if (row.state === "paused" || row.operation === "pause") return answer(actor, row, row);
    if (row.state !== "running") throw refusal(row, "only a running one can be paused");
    if (row.operation === "stop") throw refusal(row, "it is being stopped");
    const reason = row.owner === actor.owner ? null : "a backup copies its disk";
    return answer(actor, row, await beginPause(context, row, { by: actor, reason }));
  }

  async function resume(actor: Actor, reference: string): Promise<Environment> {
    const row = await find(actor, reference, "environment.pause");
    if (row.state === "stopped" || row.state === "failed") {
      throw refusal(row, "its memory is not kept; 'start' boots it with its disk");
    }
    return start(actor, row.id, "environment.pause");
  }

  type Power = (actor: Actor, reference: string) => Promise<Environment>;
  const audited =
    (action: PowerAct["action"], run: Power): Power =>
    (actor, reference) =>
      context.audit.attempt(actor, { action, target: reference }, () => run(actor, reference));

  return {
    start: audited("environment.started", (actor, reference) => start(actor, reference)),
    stop: audited("environment.stopped", stop),
    pause: audited("environment.paused", pause),
    resume: audited("environment.resumed", resume),
  };
}
