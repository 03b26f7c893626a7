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
  writeKeptScreen(path, JSON.stringify(stored));
}

/** As it was written at another server of a fleet: it is looked at when it is read. */
export function writeKeptScreen(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.tmp`, content, { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
}

/** Up to where the output is drawn in the screen that is kept of this terminal; null: there is none. */
export function keptOffset(path: string, createdUnixMs: number): bigint | null {
  try {
    const kept = Stored.parse(JSON.parse(readFileSync(path, "utf8")));
    return kept.createdUnixMs === createdUnixMs ? BigInt(kept.offset) : null;
  } catch {
    return null;
  }
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
