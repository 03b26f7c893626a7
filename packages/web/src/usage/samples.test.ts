import type { Usage } from "@microterm/protocol";
import { expect, it } from "vitest";
import { gaugesOf, gaugeWords, plotWords, sampleOf } from "./samples.ts";

const MIB = 1024;
const machine = { cpuQuotaPercent: 150, cpuWeight: 100, diskMibPerSecond: 128, diskOperationsPerSecond: 4000 };

const usage = (cpuMs: number, over: Partial<Usage> = {}): Usage => ({
  guest: {
    uptimeMs: 1,
    cpu: { userMs: 3 * cpuMs, systemMs: 0, idleMs: 0 },
    memory: { totalKib: 500 * MIB, availableKib: 400 * MIB },
    disk: { totalKib: 2000 * MIB, freeKib: 1990 * MIB },
    processes: 7,
    load1: 0,
  },
  host: { cpuMs, memoryBytes: 1, processes: 1 },
  limits: { memoryMib: 512, cpus: 1, diskMib: 2048, machine },
  ...over,
});

it("takes CPU from two looks at one machine, by the host's count where there is one", () => {
  const first = { usage: usage(100), at: 1000 };
  expect(sampleOf(undefined, first)).toEqual({ at: 1, cpuPercent: null, memoryMib: 100, diskMib: 10 });
  expect(sampleOf(first, { usage: usage(350), at: 2000 }).cpuPercent).toBe(25);
  const uncounted = (cpuMs: number, at: number) => ({ usage: usage(cpuMs, { host: null }), at });
  expect(sampleOf(uncounted(100, 0), uncounted(200, 1000)).cpuPercent).toBe(30);
  // Another machine has begun from nothing.
  expect(sampleOf(first, { usage: usage(5), at: 2000 }).cpuPercent).toBeNull();
});

it("says each use beside its limit, and what its plot shows", () => {
  const samples = [sampleOf(undefined, { usage: usage(0), at: 0 })];
  const [cpu, memory, disk] = gaugesOf(usage(0).limits);
  if (cpu === undefined || memory === undefined || disk === undefined) throw new Error("a gauge is missing");
  expect([cpu, memory, disk].map((gauge) => gaugeWords(gauge, samples))).toEqual([
    "– of 150 %",
    "100 of 512 MiB",
    "10 of 2048 MiB",
  ]);
  expect(plotWords(cpu, samples)).toBe("CPU: – of 150 %");
  const more = [...samples, { ...samples[0], cpuPercent: 80 }, { ...samples[0], cpuPercent: 12 }] as typeof samples;
  expect(plotWords(cpu, more)).toBe("CPU: 12 of 150 %, from 12 to 80 since it is shown");
});

it("has the guest's CPUs as the limit where its machine has none", () => {
  expect(gaugesOf({ ...usage(0).limits, cpus: 2, machine: null })[0]?.limit).toBe(200);
});
