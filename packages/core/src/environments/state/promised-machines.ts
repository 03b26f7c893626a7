import { DEFAULT_SIZE, SIZES } from "@microterm/protocol";
import { SYSTEM } from "../../access/actor.ts";
import type { PromisedMachine } from "../../machines/admission/admission.ts";
import type { DriverRegistry } from "../../machines/driver-registry.ts";
import type { Pool } from "../../pool/pool.ts";
import type { EnvironmentRepository } from "../../ports/repository.ts";

interface Promising {
  readonly rows: Pick<EnvironmentRepository, "list">;
  readonly drivers: DriverRegistry;
  readonly pool: Pick<Pool, "status">;
}

/** Machines of all owners' environments that run or are being started, and those that wait in the pool. */
export async function promisedMachines({ rows, drivers, pool }: Promising): Promise<readonly PromisedMachine[]> {
  const own = (await rows.list(SYSTEM)).flatMap((row) => {
    const driver = row.state === "creating" || row.state === "running" ? drivers.find(row.driver) : null;
    return driver === null ? [] : [{ holder: row.id, driver, memoryMib: row.memoryMib, cpus: row.cpus }];
  });
  const { memoryMib, cpus } = SIZES[DEFAULT_SIZE];
  const waiting = Array.from({ length: pool.status().ready }, (_, i) => ({
    ...{ holder: `pool-${i}`, driver: drivers.default, memoryMib, cpus },
  }));
  return [...own, ...waiting];
}
