import { closeSync, existsSync, openSync } from "node:fs";
import { join } from "node:path";
import type { FaultPoint, Faults } from "@microterm/core";

/**
 * SIGKILLs this process at the named point, once for each data folder and point: a marker file lets the restarted
 * server live. Without a name every point is passed.
 */
export function createFaults(folder: string, armed: FaultPoint | undefined): Faults {
  if (armed === undefined) return { hit: () => undefined };
  const marker = join(folder, `fault-${armed.replaceAll(/[^a-z0-9.-]/gi, "_")}`);
  return {
    hit(point) {
      if (point !== armed || existsSync(marker)) return;
      closeSync(openSync(marker, "wx", 0o600));
      process.kill(process.pid, "SIGKILL");
    },
  };
}
