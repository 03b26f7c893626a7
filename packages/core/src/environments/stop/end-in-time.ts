import type { EnvironmentRow } from "../../ports/repository.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";
import { beginPause } from "./begin-pause.ts";
import { beginStop } from "./begin-stop.ts";
import { destroyExpired } from "./destroy.ts";

/** Idle time or life over: what an owner would ask for, with a reason. */
export async function endInTime(
  context: EnvironmentContext,
  action: "pause" | "stop" | "destroy",
  row: EnvironmentRow,
  reason: string,
): Promise<void> {
  if (action === "destroy") await destroyExpired(context, row);
  else if (action === "pause") await beginPause(context, row, { by: "server", reason });
  else await beginStop(context, row, { by: "server", reason });
}
