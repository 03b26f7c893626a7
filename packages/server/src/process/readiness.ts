import { type Storage, SYSTEM, type VmDriver } from "@microterm/core";
import { type EnvironmentId, PlatformError } from "@microterm/protocol";

/** Whether requests can be served: the database answers, the host answers, and recovery has been through. */
export interface Readiness {
  /** Throws while recovery has not finished; cheap, for every request. */
  assertRecovered(): void;
  /** Asks the database and the host; rejects with what is away. */
  check(): Promise<void>;
  recovered(): void;
  /** Why recovery has not finished yet. One that fails later concerns only what it was for: all else is served. */
  failed(error: unknown): void;
}

/** Anybody may ask /readyz, so that the host is asked at most this often. */
const CHECK_EVERY_MS = 1000;
const NOBODY = "000000000000" as EnvironmentId;

export function createReadiness(
  storage: { readonly environments: Pick<Storage["environments"], "get"> },
  driver: Pick<VmDriver, "resources">,
): Readiness {
  let pending: string | null = "The server is still taking stock of the environments.";
  let last: { readonly at: number; readonly result: Promise<void> } | null = null;
  const assertRecovered = () => {
    if (pending !== null) throw new PlatformError("HOST_DAEMON_UNAVAILABLE", pending);
  };
  const ask = async () => {
    await storage.environments.get(NOBODY, SYSTEM);
    await driver.resources();
  };
  return {
    assertRecovered,
    async check() {
      assertRecovered();
      if (last === null || Date.now() - last.at > CHECK_EVERY_MS) last = { at: Date.now(), result: ask() };
      await last.result;
    },
    recovered() {
      pending = null;
    },
    failed(error) {
      if (pending === null) return;
      pending = `The host cannot be asked about its machines: ${error instanceof Error ? error.message : String(error)}`;
    },
  };
}
