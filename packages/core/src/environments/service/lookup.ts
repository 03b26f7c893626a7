import { EnvironmentId, PlatformError, type Receipt } from "@microterm/protocol";
import type { Actor } from "../../access/actor.ts";
import { type Action, assertAllowed, authorize } from "../../access/authorize.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";

export interface Asked {
  readonly actor: Actor;
  readonly action: Action;
  readonly reference: string;
}

/**
 * What a reference stands for among the actor's own, and for an admin by its full id among all, where the action is one that reaches what
 * is another's. Null: it is not there, or the actor must not learn that it is.
 */
export async function findRow(
  { rows }: Pick<EnvironmentContext, "rows">,
  { actor, action, reference }: Asked,
): Promise<EnvironmentRow | null> {
  const own = await rows.find(reference, actor);
  if (own !== null) return own;
  const id = EnvironmentId.safeParse(reference);
  const foreign = id.success ? await rows.get(id.data, actor) : null;
  return foreign !== null && authorize(actor, action, foreign) !== "hidden" ? foreign : null;
}

/**
 * The environment that a reference stands for, among what the actor may do `action` with. Rejects with
 * `ENVIRONMENT_NOT_FOUND`, which names a removal that is known, and `FORBIDDEN`.
 */
export async function requireRow(
  { rows }: Pick<EnvironmentContext, "rows">,
  { actor, action, reference }: Asked,
): Promise<EnvironmentRow> {
  const row = await findRow({ rows }, { actor, action, reference });
  if (row !== null) {
    assertAllowed(actor, action, row);
    return row;
  }
  const receipt = await rows.receipt(reference, actor);
  if (receipt !== null && authorize(actor, "environment.read", actor) === "allowed") throw removed(receipt);
  throw new PlatformError(
    "ENVIRONMENT_NOT_FOUND",
    `no environment, or more than one, answers to '${reference.slice(0, 64)}': ` +
      "give its name, its id, or 4 or more characters of that",
  );
}

function removed({ name, destroyedAt, cause }: Receipt): PlatformError {
  const why = cause === "expiry" ? ", because its time to live was over" : "";
  const when = destroyedAt.replace(/\.\d+Z$/, "Z");
  return new PlatformError("ENVIRONMENT_NOT_FOUND", `'${name}' was removed at ${when}${why}`, {
    details: { removal: { name, at: destroyedAt, cause } },
  });
}
