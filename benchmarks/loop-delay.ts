/**
 * Preloaded into a server (`NODE_OPTIONS=--import=…`): writes what held its event loop up since the last SIGUSR2, in ms, to
 * the file that LOOP_DELAY_FILE names. `late` is how late a timer came at most; `own` how much processor time the
 * thread itself used meanwhile: the rest is other programs' doing.
 */
import { renameSync, writeFileSync } from "node:fs";

const TICK_MS = 5;
const file = process.env.LOOP_DELAY_FILE;
if (file !== undefined) {
  let worst = { late: 0, own: 0 };
  let before = performance.now();
  let cpu = process.threadCpuUsage();
  setInterval(() => {
    const now = performance.now();
    const { user, system } = process.threadCpuUsage(cpu);
    worst = { late: Math.max(worst.late, now - before - TICK_MS), own: Math.max(worst.own, (user + system) / 1000) };
    before = now;
    cpu = process.threadCpuUsage();
  }, TICK_MS).unref();
  process.on("SIGUSR2", () => {
    writeFileSync(`${file}.tmp`, JSON.stringify(worst));
    renameSync(`${file}.tmp`, file);
    worst = { late: 0, own: 0 };
  });
}
