import { type OwnerId, PlatformError, type Receipt } from "@microterm/protocol";
import type { EnvironmentRow } from "../../ports/repository.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";

/** The environment that a reference stands for. Rejects with `ENVIRONMENT_NOT_FOUND`, which names a removal that is known. */
export async function requireRow(
  { rows }: Pick<EnvironmentContext, "rows">,
  owner: OwnerId,
  reference: string,
): Promise<EnvironmentRow> {
  const row = await rows.find(reference, owner);
  if (row !== null) return row;
  const receipt = await rows.receipt(reference, owner);
  if (receipt !== null) throw removed(receipt);
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
