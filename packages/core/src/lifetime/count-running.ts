import { describeError } from "../messages/describe-error.ts";
import type { Clock, Log } from "../ports/clock.ts";
import type { QuotaRepository } from "../ports/repository.ts";
import { timestamp } from "../time/timestamp.ts";

/** What a machine has run that ends while no server sees it, and is lost, is at most this. */
const EVERY_MS = 5 * 60_000;

/** Counts running time, for the hours of the day, until `signal` aborts. Once, after the recovery. */
export async function countRunning(
  { clock, log, quotas }: { readonly clock: Clock; readonly log: Log; readonly quotas: QuotaRepository },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await quotas.countRunning(timestamp(clock)).catch((error: unknown) => {
      if (!signal.aborted) log.error("running time could not be counted", { error: describeError(error) });
    });
    await clock.sleep(EVERY_MS, signal).catch(() => {});
  }
}
