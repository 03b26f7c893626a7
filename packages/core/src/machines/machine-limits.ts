import type { MachineLimits, VmDriver } from "../ports/vm-driver.ts";

const LARGEST_WEIGHT = 10_000;

/**
 * What a machine of so many CPUs may use. Half a processor beside its own is for its VMM, which does the guest's I/O: without it a
 * program that computes would hold up the keys that are typed into it.
 */
export function limitsFor(driver: VmDriver, { cpus }: { readonly cpus: number }): MachineLimits | null {
  if (!driver.capabilities.supportsLimits) return null;
  return {
    cpu: { weight: Math.min(LARGEST_WEIGHT, 100 * cpus), quotaPercent: 100 * cpus + 50 },
    disk: { mibPerSecond: 128 * cpus, operationsPerSecond: 4000 * cpus },
  };
}
