import { readdirSync, readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";

/** One line of the table. */
export interface Figure {
  readonly name: string;
  /** What the product needs, or does. */
  readonly figure: string;
  /** What nothing built on the same ground could beat, measured in the same run. */
  readonly floor?: string;
  /** One over the other, or what lies between them. */
  readonly ratio?: string;
  readonly target: string;
}

const COLUMNS = ["", "figure", "floor", "ratio or difference", "target"];

/** The smallest value that at least `share` of the samples do not exceed (nearest rank); not a number where there are none. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
}

export const median = (samples: readonly number[]): number => quantile(samples, 0.5);

/** `p50 / p99` in ms. */
export const spread = (samples: readonly number[]): string =>
  `${median(samples).toFixed(2)} / ${quantile(samples, 0.99).toFixed(2)} ms`;

/** A difference in ms. */
export const signed = (value: number): string => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)} ms`;

const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

export const tableHead = (): string => `${line(COLUMNS)}\n${line(COLUMNS.map(() => "---"))}`;

export const tableRow = ({ name, figure, floor = "", ratio = "", target }: Figure): string =>
  line([name, figure, floor, ratio, target]);

/** What else the host has to do, which figures depend on more than on anything else. */
export const hostLoad = (): string => `${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)}`;

/** Of a process, by proc(5). */
export function processFigures(pid: number): { readonly residentMb: number; readonly cpuSeconds: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  // The first field of schedstat is time on a core in ns; `stat` counts ticks of 10 ms, of which an idle server takes none.
  const times = readdirSync(`/proc/${pid}/task`).map((task) => {
    const [nanoseconds] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ");
    return Number(nanoseconds) / 1e9;
  });
  return {
    residentMb: (Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024) / 1e6,
    cpuSeconds: times.reduce((sum, time) => sum + time, 0),
  };
}
