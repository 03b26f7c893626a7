import type { EnvironmentService, Storage } from "@microterm/core";
import type { AccountId } from "@microterm/protocol";
import type { FastifyBaseLogger } from "fastify";

/** What is still on its way to `running`, or to its end, is looked at again after this time. */
const AGAIN_MS = 2_000;
/** Also for a database that was away, and what another process has written into it. */
const LONGEST_SLEEP_MS = 60_000;

export interface DisabledAccounts {
  /** Stops now what is due, and learns of the times that there are. Never rejects. */
  look(): Promise<void>;
  dispose(): void;
}

/** Stops the running environments of accounts that are disabled, once their grace time is over. Begins with the first look. */
export function watchDisabledAccounts(
  accounts: Pick<Storage["accounts"], "listStopping" | "hasStopped">,
  environments: Pick<EnvironmentService, "stopAllOf">,
  log: Pick<FastifyBaseLogger, "info" | "warn">,
): DisabledAccounts {
  let timer: NodeJS.Timeout | undefined;
  let isDisposed = false;

  /** Resolves with when there is something to do again, ms since the epoch. */
  async function stopDue(): Promise<number> {
    let nextAt = Number.POSITIVE_INFINITY;
    for (const { id, stopsAt } of await accounts.listStopping()) {
      const dueAt = Date.parse(stopsAt);
      if (dueAt > Date.now()) nextAt = Math.min(nextAt, dueAt);
      else if (!(await hasStopped(id, stopsAt))) nextAt = Math.min(nextAt, Date.now() + AGAIN_MS);
    }
    return nextAt;
  }

  /** False: it is to be looked at again soon. What cannot be stopped waits for a later look, and keeps no other account's from being stopped. */
  async function hasStopped(id: AccountId, stopsAt: string): Promise<boolean> {
    try {
      if (!(await environments.stopAllOf(id))) return false;
      await accounts.hasStopped(id, stopsAt);
      log.info({ account: id }, "the environments of a disabled account are stopped");
    } catch (error) {
      log.warn({ err: error, account: id }, "not all environments of a disabled account could be stopped");
    }
    return true;
  }

  async function look(): Promise<void> {
    if (isDisposed) return;
    const nextAt = await stopDue().catch((error: unknown) => {
      log.warn({ err: error }, "environments of disabled accounts could not be looked at");
      return Number.POSITIVE_INFINITY;
    });
    clearTimeout(timer);
    if (isDisposed) return;
    const sleepMs = Math.min(Math.max(1, nextAt - Date.now()), LONGEST_SLEEP_MS);
    timer = setTimeout(() => void look(), sleepMs).unref();
  }

  return {
    look,
    dispose() {
      isDisposed = true;
      clearTimeout(timer);
    },
  };
}
