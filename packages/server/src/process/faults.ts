import { closeSync, existsSync, openSync } from "node:fs";
import { join } from "node:path";

/** Named points of the code at which a test can kill the server, to prove that its next start repairs what is left. */
export interface Faults {
  hit(point: string): void;
}

/**
 * SIGKILLs this process at the named point, once for each data folder and point: a marker file lets the restarted
 * server live. Without a name every point is passed.
 */
export function createFaults(folder: string, armed: string | undefined): Faults {
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
