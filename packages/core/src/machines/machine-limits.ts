import type { ResourceLimits } from "@microterm/protocol";
import type { LimitChoices } from "../ports/repository.ts";
import type { MachineLimits, VmDriver } from "../ports/vm-driver.ts";

const LARGEST_WEIGHT = 10_000;

/** Of so many CPUs, and what its owner has chosen instead. */
interface Limited {
  readonly cpus: number;
  readonly limits?: LimitChoices;
}

/**
 * What an environment may use: what goes with its size, unless its owner has chosen otherwise. Null where its driver limits nothing. Half
 * a processor beside its own is for its VMM, which does the guest's I/O: without it a program that computes would hold up the keys that
 * are typed into it.
 */
export function resourceLimits(driver: VmDriver, { cpus, limits }: Limited): ResourceLimits | null {
  if (!driver.capabilities.supportsLimits) return null;
  return {
    cpuQuotaPercent: limits?.cpuQuotaPercent ?? 100 * cpus + 50,
    cpuWeight: limits?.cpuWeight ?? Math.min(LARGEST_WEIGHT, 100 * cpus),
    diskMibPerSecond: limits?.diskMibPerSecond ?? 128 * cpus,
    diskOperationsPerSecond: limits?.diskOperationsPerSecond ?? 4000 * cpus,
  };
}

export const toMachineLimits = (limits: ResourceLimits): MachineLimits => ({
  cpu: { weight: limits.cpuWeight, quotaPercent: limits.cpuQuotaPercent },
  disk: { mibPerSecond: limits.diskMibPerSecond, operationsPerSecond: limits.diskOperationsPerSecond },
});

/** The same for the driver that makes its machines. */
export function limitsFor(driver: VmDriver, limited: Limited): MachineLimits | null {
  const limits = resourceLimits(driver, limited);
  return limits === null ? null : toMachineLimits(limits);
}
