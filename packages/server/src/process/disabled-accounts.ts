import type { EnvironmentService, Storage } from "@microterm/core";
import type { FastifyBaseLogger } from "fastify";

/** A grace time is over by this much later at most. */
const LOOK_MS = 30_000;

export interface DisabledAccounts {
  /** Stops now what is due. Never rejects. */
  look(): Promise<void>;
  dispose(): void;
}

/** Stops the running environments of accounts that are disabled, once their grace time is over. */
export function watchDisabledAccounts(
  accounts: Pick<Storage["accounts"], "listStopping" | "change">,
  environments: Pick<EnvironmentService, "stopAllOf">,
  log: Pick<FastifyBaseLogger, "info" | "warn">,
): DisabledAccounts {
  async function look(): Promise<void> {
    try {
      for (const { id } of await accounts.listStopping(new Date().toISOString())) {
        // What is still on its way to `running`, or to its end, is looked at again.
        if (!(await environments.stopAllOf(id))) continue;
        await accounts.change(id, { stopsAt: null });
        log.info({ account: id }, "the environments of a disabled account are stopped");
      }
    } catch (error) {
      log.warn({ err: error }, "environments of disabled accounts could not be looked at");
    }
  }
  const timer = setInterval(() => void look(), LOOK_MS);
  timer.unref();
  return { look, dispose: () => clearInterval(timer) };
}
