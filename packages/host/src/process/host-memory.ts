import { readFile, statfs } from "node:fs/promises";
import { availableParallelism } from "node:os";

export interface HostSpace {
  readonly memory: { readonly totalMib: number; readonly availableMib: number };
  readonly disk: { readonly totalMib: number; readonly freeMib: number };
  readonly cpus: number;
}

const MIB = 1024 * 1024;

/** What this host can give now: /proc/meminfo (proc(5)) and the file system that holds `directory`. */
export async function readHostSpace(directory: string): Promise<HostSpace> {
  const meminfo = await readFile("/proc/meminfo", "latin1");
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+([0-9]+) kB`, "m").exec(meminfo)?.[1] ?? 0);
  const disk = await statfs(directory);
  return {
    memory: {
      totalMib: Math.floor(kib("MemTotal") / 1024),
      availableMib: Math.floor(kib("MemAvailable") / 1024),
    },
    disk: {
      totalMib: Math.floor((disk.blocks * disk.bsize) / MIB),
      freeMib: Math.floor((disk.bavail * disk.bsize) / MIB),
    },
    cpus: availableParallelism(),
  };
}
