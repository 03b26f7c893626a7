import type { Usage } from "@microterm/protocol";

/** One look at what an environment uses. */
export interface Look {
  readonly usage: Usage;
  /** Milliseconds. */
  readonly at: number;
}

export interface Sample {
  /** Seconds. */
  readonly at: number;
  /** Of one of the host's CPUs; null: it takes two looks at the same machine. */
  readonly cpuPercent: number | null;
  readonly memoryMib: number;
  readonly diskMib: number;
}

/** What is used beside what may be, of one resource. */
export interface Gauge {
  readonly name: string;
  readonly unit: "%" | "MiB";
  readonly limit: number;
  readonly of: (sample: Sample) => number | null;
}

/** By the host's count where there is one. */
const busyMs = ({ guest, host }: Usage): number => host?.cpuMs ?? guest.cpu.userMs + guest.cpu.systemMs;

function shareOf(before: Look | undefined, now: Look): number | null {
  const ms = before === undefined ? -1 : busyMs(now.usage) - busyMs(before.usage);
  return before === undefined || ms < 0 ? null : Math.round((100 * ms) / Math.max(1, now.at - before.at));
}

export const sampleOf = (before: Look | undefined, now: Look): Sample => {
  const { memory, disk } = now.usage.guest;
  return {
    at: now.at / 1000,
    cpuPercent: shareOf(before, now),
    memoryMib: Math.round((memory.totalKib - memory.availableKib) / 1024),
    diskMib: Math.round((disk.totalKib - disk.freeKib) / 1024),
  };
};

export const gaugesOf = ({ memoryMib, cpus, diskMib, machine }: Usage["limits"]): readonly Gauge[] => [
  { name: "CPU", unit: "%", limit: machine?.cpuQuotaPercent ?? 100 * cpus, of: ({ cpuPercent }) => cpuPercent },
  { name: "Memory", unit: "MiB", limit: memoryMib, of: (sample) => sample.memoryMib },
  { name: "Disk", unit: "MiB", limit: diskMib, of: (sample) => sample.diskMib },
];

/** `12 of 150 %`. */
export function gaugeWords({ unit, limit, of }: Gauge, samples: readonly Sample[]): string {
  const last = samples.at(-1);
  const now = last === undefined ? null : of(last);
  return `${now ?? "–"} of ${limit} ${unit}`;
}

/** The same with what a plot shows, for who does not see it. */
export function plotWords(gauge: Gauge, samples: readonly Sample[]): string {
  const known = samples.flatMap((sample) => gauge.of(sample) ?? []);
  const words = `${gauge.name}: ${gaugeWords(gauge, samples)}`;
  return known.length < 2 ? words : `${words}, from ${Math.min(...known)} to ${Math.max(...known)} since it is shown`;
}
