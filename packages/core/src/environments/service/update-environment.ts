import type { Environment, ResourceLimits, UpdateEnvironment } from "@microterm/protocol";
import type { Actor } from "../../access/actor.ts";
import { changeLimits } from "../running/change-limits.ts";
import { changed, type EnvironmentContext } from "../state/environment-context.ts";
import { refusal } from "../state/refusal.ts";
import { expiryAfter } from "./create-environment.ts";
import { requireRow } from "./lookup.ts";
import { assertPolicy, changePolicy } from "./network-actions.ts";
import { toEnvironment } from "./view.ts";

interface Update {
  readonly actor: Actor;
  readonly reference: string;
  readonly request: UpdateEnvironment;
}

/** What {@link EnvironmentService.update} says. */
export async function updateEnvironment(
  context: EnvironmentContext,
  { actor, reference, request: { idleTimeoutSeconds, ttlSeconds, network, ...rest } }: Update,
): Promise<Environment> {
  const { audit, clock } = context;
  const row = await requireRow(context, { actor, action: "environment.change", reference });
  // A request that cannot be done whole is refused before anything is changed.
  if (network !== undefined) assertPolicy(context, row, network);
  const said = Object.entries(rest).filter(([, limit]) => limit !== undefined);
  const limits: Partial<ResourceLimits> = Object.fromEntries(said);
  const changeReach = async () => network !== undefined && changePolicy(context, { actor, row, next: () => network });
  await (said.length > 0
    ? changeLimits(context, { actor, id: row.id, wanted: limits, rest: changeReach })
    : changeReach());
  const times = {
    ...(idleTimeoutSeconds === undefined ? {} : { idleTimeoutSeconds: idleTimeoutSeconds || null }),
    ...(ttlSeconds === undefined ? {} : { expiresAt: expiryAfter(clock.now(), ttlSeconds) }),
  };
  const detail = {
    ...(idleTimeoutSeconds === undefined ? {} : { idleTimeoutSeconds }),
    ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
  };
  const updated =
    Object.keys(times).length === 0
      ? await context.rows.setTimes(row.id, times)
      : await audit.change(actor, { action: "environment.changed", environment: row.id, detail }, ({ environments }) =>
          environments.setTimes(row.id, times),
        );
  if (updated === null) throw refusal({ ...row, state: "destroying" }, "its times cannot be changed");
  if (idleTimeoutSeconds !== undefined) context.lifetimes.began(row.id);
  changed(context, row);
  return toEnvironment(context, updated);
}
