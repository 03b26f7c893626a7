import type { EnvironmentService } from "@microterm/core";
import type { Logger } from "pino";
import type { Readiness } from "./readiness.ts";
import { systemClock } from "./system-clock.ts";

const RETRY_MS = 500;

/** Takes stock until it succeeds: the daemon may come up after the server. */
export async function recover(
  environments: Pick<EnvironmentService, "recover">,
  readiness: Readiness,
  { log, signal }: { readonly log: Pick<Logger, "warn">; readonly signal: AbortSignal },
): Promise<void> {
  let lastWords = "";
  while (!signal.aborted) {
    try {
      await environments.recover();
      readiness.recovered();
      return;
    } catch (error) {
      readiness.failed(error);
      // Once a cause, not twice a second.
      if (String(error) !== lastWords) log.warn({ err: error }, "recovery failed, trying again");
      lastWords = String(error);
      await systemClock.sleep(RETRY_MS, signal).catch(() => undefined);
    }
  }
}
