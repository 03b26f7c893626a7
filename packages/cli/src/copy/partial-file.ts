import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { EXIT } from "../failure.ts";

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/**
 * Has `write` make a file beside `target`, which then takes the target's place as one step. Nothing of it stays when
 * `write` fails or a signal ends the process.
 */
export async function replaceFile(target: string, write: (partial: string) => Promise<void>): Promise<void> {
  const partial = join(dirname(target), `.${basename(target).slice(0, 60)}.${randomBytes(6).toString("hex")}`);
  const handlers = Object.entries(SIGNALS).map(([name, number]) => {
    const handler = () => {
      rmSync(partial, { force: true });
      process.exit(EXIT.signalled + number);
    };
    process.on(name, handler);
    return () => process.off(name, handler);
  });
  try {
    await write(partial);
    await rename(partial, target);
  } finally {
    await rm(partial, { force: true });
    for (const forget of handlers) forget();
  }
}
