/**
 * Preloaded into a server (`NODE_OPTIONS=--import=…`): writes how long its event loop was held up at most since the last
 * SIGUSR2, in ms, to the file that LOOP_DELAY_FILE names.
 */
import { renameSync, writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

const file = process.env.LOOP_DELAY_FILE;
if (file !== undefined) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  process.on("SIGUSR2", () => {
    writeFileSync(`${file}.tmp`, JSON.stringify({ p99: histogram.percentile(99) / 1e6, max: histogram.max / 1e6 }));
    renameSync(`${file}.tmp`, file);
    histogram.reset();
  });
}
