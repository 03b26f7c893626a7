import { createHash } from "node:crypto";
import { join } from "node:path";
import {
  actorOf,
  createDriverRegistry,
  createEnvironmentService,
  type DriverRegistryOptions,
  type EnvironmentLimits,
  type EnvironmentService,
  type Faults,
  type NetworkProvider,
  type Storage,
  type VmDriver,
} from "@microterm/core";
import { accountRow, auditLogOf, systemClock, systemRandom } from "@microterm/core/testing";
import { createProcessDriver } from "@microterm/drivers";
import { createLoopbackNetwork } from "@microterm/networks";
import { type Overcommit, OwnerId } from "@microterm/protocol";
import { createQuietLog } from "../../support/quiet-log.ts";
import { openTestStorage } from "../../support/test-database.ts";

export const ANN = actorOf({ id: OwnerId.parse("annannann"), role: "member" });
export const BOB = actorOf({ id: OwnerId.parse("bobbobbob"), role: "member" });

export const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

export interface Parts {
  readonly folder: string;
  readonly agentBinary: string;
}

export interface ServerOptions {
  readonly faults?: Faults;
  readonly limits?: Partial<EnvironmentLimits>;
  readonly overcommit?: Overcommit;
  /** Machines that wait to be claimed; none when absent. */
  readonly pool?: number;
  /** What the server has beside or instead of its own process driver; that alone by default. */
  readonly registry?: (own: VmDriver) => DriverRegistryOptions;
  /** Loopback alone when absent. */
  readonly network?: NetworkProvider;
  /** That of the folder when absent. */
  readonly storage?: Storage;
}

/** What one server process holds; several after each other stand for restarts. */
export interface Server {
  readonly service: EnvironmentService;
  readonly storage: Storage;
  readonly driver: VmDriver;
  readonly log: ReturnType<typeof createQuietLog>;
  close(): Promise<void>;
}

export const machinesOf = (folder: string) => join(folder, "machines");

/** A service over a real database and the process driver, as it is when a server begins: not yet recovered. */
export async function openServer({ folder, agentBinary }: Parts, options: ServerOptions = {}): Promise<Server> {
  const log = createQuietLog();
  const storage = options.storage ?? (await openTestStorage(folder));
  for (const { owner } of [ANN, BOB]) {
    // A server of before on this folder may have made them.
    if ((await storage.accounts.get(owner)) === null) {
      await storage.accounts.insert(accountRow(owner, "2026-11-22T10:00:00.000Z"));
    }
  }
  // What these tests ask for is refused by the host, or not at all.
  await storage.quotas.setRole("member", (await storage.quotas.roles()).admin);
  const driver = createProcessDriver({ agentBinary, directory: machinesOf(folder), log });
  const service = createEnvironmentService({
    storage,
    audit: auditLogOf(storage, { log, ...(options.faults === undefined ? {} : { faults: options.faults }) }),
    drivers: createDriverRegistry(options.registry?.(driver) ?? { default: driver }),
    network: options.network ?? createLoopbackNetwork(),
    clock: systemClock,
    random: systemRandom,
    log,
    ...(options.faults === undefined ? {} : { faults: options.faults }),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ...(options.overcommit === undefined ? {} : { overcommit: options.overcommit }),
    ...(options.pool === undefined ? {} : { pool: options.pool }),
  });
  return {
    service,
    storage,
    driver,
    log,
    async close() {
      await service.close();
      await storage.close();
    },
  };
}
