import type { MachineContext } from "../../machines/machine-context.ts";
import { describeError } from "../../messages/describe-error.ts";

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;

/** Does something until it succeeds or `signal` aborts: for what must be finished whenever the host comes back. */
export async function retryUntilDone(
  { closing, log, clock }: Pick<MachineContext, "closing" | "log" | "clock">,
  signal: AbortSignal,
  what: string,
  run: () => Promise<void>,
): Promise<void> {
  const until = AbortSignal.any([signal, closing.signal]);
  let lastWords = "";
  for (let pauseMs = FIRST_PAUSE_MS; !until.aborted; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      return await run();
    } catch (error) {
      if (until.aborted) return;
      const words = describeError(error);
      // Once a cause.
      if (words !== lastWords) log.error(`${what} failed and is tried again`, { error: words, pauseMs });
      lastWords = words;
      await clock.sleep(pauseMs, until).catch(() => {});
    }
  }
}
