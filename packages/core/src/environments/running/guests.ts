import { type EnvironmentId, PlatformError } from "@microterm/protocol";
import { SYSTEM } from "../../access/actor.ts";
import type { GuestAgent } from "../../ports/guest-agent.ts";
import type { AgentOptions } from "../service/environment-service.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import { AGENT_TIMEOUT_MS, type LiveMachine } from "../state/live-machine.ts";
import { refusal } from "../state/refusal.ts";
import { requireAnswer } from "./liveness.ts";

/** A live machine whose agent callers may use. */
export async function readyMachine(
  { live, rows, drivers }: EnvironmentContext,
  id: EnvironmentId,
): Promise<LiveMachine> {
  const found = live.get(id);
  if (found?.isReady === true) return found;
  const row = await rows.get(id, SYSTEM);
  if (row === null) throw new PlatformError("ENVIRONMENT_NOT_FOUND", "the environment was removed");
  if (row.state === "running") {
    drivers.of(row);
    throw new PlatformError("GUEST_UNREACHABLE", `'${row.name}' is not connected: its machine is starting or stopping`);
  }
  throw refusal(row, "its guest can only be reached while it is running");
}

/** The agent of a running environment. Rejects with `ENVIRONMENT_STATE` or `GUEST_UNREACHABLE`. */
export async function agentOf(
  context: EnvironmentContext,
  id: EnvironmentId,
  { signal, timeoutMs = AGENT_TIMEOUT_MS }: AgentOptions = {},
): Promise<GuestAgent> {
  const live = await readyMachine(context, id);
  context.scheduler.reached(id);
  await requireAnswer(context, live);
  return live.machine.agent({ timeoutMs, ...(signal === undefined ? {} : { signal }) });
}
