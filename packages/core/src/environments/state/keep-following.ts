import { type EnvironmentId, PlatformError } from "@microterm/protocol";
import { describeError } from "../../messages/describe-error.ts";
import type { EnvironmentContext } from "./environment-context.ts";
import { retryUntilDone } from "./retry.ts";

/** Has a machine follow its row, as often as it takes; not where the host does not know that machine, and so never will. */
export function keepFollowing(
  context: Pick<EnvironmentContext, "clock" | "closing" | "log">,
  id: EnvironmentId,
  what: string,
  run: () => Promise<void>,
): Promise<void> {
  const { closing, log } = context;
  return retryUntilDone(context, closing.signal, what, async () => {
    try {
      await run();
    } catch (error) {
      if (!(error instanceof PlatformError && error.code === "NOT_FOUND")) throw error;
      log.error(`${what} failed and is not tried again`, { environment: id, error: describeError(error) });
    }
  });
}
