import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import type { Log, NetworkProvider, Storage, VmDriver } from "@microterm/core";
import { createProcessDriver, createQemuDriver } from "@microterm/drivers";
import { createHostDaemonClient } from "@microterm/host";
import { createLoopbackNetwork } from "@microterm/networks";
import { acquireServerLock, createSqliteStorage, type ServerLock } from "@microterm/storage";
import type { Config } from "./config.ts";

/** What core needs of the world outside. */
export interface Adapters {
  readonly storage: Storage;
  readonly driver: VmDriver;
  readonly network: NetworkProvider;
}

/** Makes this process the only server on a data folder, or throws ENVIRONMENT_STATE. */
export function lockData(folder: string): ServerLock {
  const path = join(folder, "server.lock");
  // Made first, for its mode: SQLite would let others read it. Not opened again while the lock is held.
  closeSync(openSync(path, "a", 0o600));
  return acquireServerLock(path);
}

/** The one place that picks adapters. `folder` is the server's own, below the data folder. */
export async function compose(config: Config, folder: string, log: Log): Promise<Adapters> {
  const storage = await createSqliteStorage({ path: join(folder, "microterm.db") });
  return { storage, driver: createDriver(config, folder, log), network: createLoopbackNetwork() };
}

function createDriver(config: Config, folder: string, log: Log): VmDriver {
  switch (config.driver) {
    case "process": {
      const directory = join(folder, "process");
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      return createProcessDriver({ agentBinary: config.agent, directory, log });
    }
    case "qemu":
      return createQemuDriver({
        daemon: createHostDaemonClient({ socketPath: join(config.data, "host/run/host.sock") }),
        machinesDir: join(config.data, "host/machines"),
        image: config.image,
        accelerator: config.accelerator,
        acceleratorReason: config.acceleratorReason,
        log,
      });
  }
}
