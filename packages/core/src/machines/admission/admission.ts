import { PlatformError } from "@microterm/protocol";
import type { VmDriver } from "../../ports/vm-driver.ts";
import type { EnvironmentLimits } from "../limits.ts";

/** What a boot is about to take. */
export interface Demand {
  readonly memoryMib: number;
  readonly cpus: number;
  /** 0 when the disk is there already or the driver has none. */
  readonly diskMib: number;
}

/** Keeps boots from being begun that the host has no room for. */
export interface Admission {
  /**
   * Resolves when the host has room beside all else that is being booted now, and holds the room until `release`. `id`
   * is an environment's, or whatever else names who asks. Rejects with `HOST_OUT_OF_MEMORY` or `HOST_OUT_OF_DISK`.
   */
  reserve(driver: VmDriver, id: string, demand: Demand): Promise<void>;
  /** Safe to repeat. Once a machine runs, or has failed, what it takes shows in the host's own figures. */
  release(id: string): void;
}

export function createAdmission(limits: EnvironmentLimits): Admission {
  const reserved = new Map<string, number>();
  let turn: Promise<unknown> = Promise.resolve();

  async function decide(driver: VmDriver, id: string, demand: Demand): Promise<void> {
    const { memory, disk } = await driver.resources();
    const neededMib = demand.memoryMib + driver.capabilities.overheadMib(demand);
    if (memory !== null) {
      // Asked for again, it takes the place of what it holds already.
      const starting = [...reserved].reduce((sum, [holder, mib]) => (holder === id ? sum : sum + mib), 0);
      const freeMib = memory.availableMib - limits.memoryReserveMib - starting;
      if (neededMib > freeMib) throw shortage("HOST_OUT_OF_MEMORY", neededMib, freeMib);
    }
    if (disk !== null) {
      // Disks are sparse: each must fit by itself, and together they may be larger than what is free.
      const freeMib = disk.freeMib - limits.diskReserveMib;
      if (demand.diskMib > freeMib) throw shortage("HOST_OUT_OF_DISK", demand.diskMib, freeMib);
    }
    // What is placed elsewhere takes nothing from those that are placed here.
    if (memory !== null) reserved.set(id, neededMib);
  }

  return {
    reserve(driver, id, demand) {
      // One at a time: two that are asked at once must not both be given the last room.
      const decided = turn.then(() => decide(driver, id, demand));
      turn = decided.catch(() => {});
      return decided;
    },
    release(id) {
      reserved.delete(id);
    },
  };
}

function shortage(code: "HOST_OUT_OF_MEMORY" | "HOST_OUT_OF_DISK", neededMib: number, free: number): PlatformError {
  const freeMib = Math.max(0, Math.floor(free));
  const needs =
    code === "HOST_OUT_OF_MEMORY"
      ? `${neededMib} MiB of memory are needed`
      : `a disk of ${neededMib} MiB was asked for`;
  return new PlatformError(code, `${needs} and the host has ${freeMib} MiB to give`, {
    details: { neededMib, freeMib },
  });
}

/** Room on the host for what a user waits for; machines of the pool are evicted for it, one after another. */
export async function reserveEvictingPool(
  { admission, pool }: { readonly admission: Admission; readonly pool: { evict(): Promise<boolean> } },
  driver: VmDriver,
  id: string,
  demand: Demand,
): Promise<void> {
  for (;;) {
    try {
      return await admission.reserve(driver, id, demand);
    } catch (error) {
      const isShort = error instanceof PlatformError && error.code === "HOST_OUT_OF_MEMORY";
      if (!isShort || !(await pool.evict())) throw error;
    }
  }
}
