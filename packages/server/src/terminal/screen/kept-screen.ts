import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseScreen, type Screen, stringifyScreen } from "@microterm/screen";
import { z } from "zod";

/** The screen of a terminal on disk, so that a restarted server goes on from there. */
export interface KeptScreen {
  readonly createdUnixMs: number;
  readonly offset: bigint;
  readonly screen: Screen;
}

const Stored = z.strictObject({
  version: z.literal(1),
  createdUnixMs: z.number(),
  offset: z.string().regex(/^\d{1,20}$/),
  screen: z.string(),
});

/**
 * Atomic for a server that dies; not synced: after the host's own death the guest is gone as well. Throws where the disk is full.
 */
export function keepScreen(path: string, { createdUnixMs, offset, screen }: KeptScreen): void {
  const stored: z.infer<typeof Stored> = {
    version: 1,
    createdUnixMs,
    offset: `${offset}`,
    screen: stringifyScreen(screen),
  };
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.tmp`, JSON.stringify(stored), { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
}

/** null when there is none, or none of use. */
export function readKeptScreen(path: string): KeptScreen | null {
  try {
    const { createdUnixMs, offset, screen } = Stored.parse(JSON.parse(readFileSync(path, "utf8")));
    const parsed = parseScreen(screen);
    return parsed === null ? null : { createdUnixMs, offset: BigInt(offset), screen: parsed };
  } catch {
    return null;
  }
}

export function dropKeptScreen(path: string): void {
  rmSync(path, { force: true });
}
