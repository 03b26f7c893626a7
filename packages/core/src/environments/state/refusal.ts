import { PlatformError } from "@microterm/protocol";
import type { EnvironmentRow } from "../../ports/repository.ts";

/** What was asked for does not fit an environment's state. */
export function refusal(row: EnvironmentRow, why: string): PlatformError {
  return new PlatformError("ENVIRONMENT_STATE", `'${row.name}' is ${row.state}: ${why}`, {
    details: { name: row.name, state: row.state },
  });
}
