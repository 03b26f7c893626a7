import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readProcess } from "@microterm/host";
import { z } from "zod";
import type { DataPaths } from "../data/paths.ts";
import { readPlainFile, writePlainFile } from "../data/plain-files.ts";
import type { Progress } from "../progress.ts";
import type { Api } from "../server/environments.ts";

const ID = /^[a-z0-9]{1,12}$/;
const MOST_BYTES = 1024;
/** A pause that had begun when the backup died. */
const PAUSE_MS = 150_000;

/** By which process it was paused. */
const Mark = z.strictObject({ pid: z.number().int().positive(), startTicks: z.string() });
const All = z.object({
  environments: z.array(
    z.object({ id: z.string(), name: z.string(), state: z.string(), operation: z.string().nullable() }),
  ),
});

/**
 * Writes down, in a file of its own below the data folder, that this process is about to pause an environment for its backup. Returns
 * what takes that back. One that is killed with -9 leaves the file to the next `up` or `backup`.
 */
export async function markPaused({ pausedByBackup }: DataPaths, id: string): Promise<() => void> {
  mkdirSync(pausedByBackup, { recursive: true, mode: 0o700 });
  const path = join(pausedByBackup, id);
  const startTicks = (await readProcess(process.pid))?.startTicks ?? "";
  writePlainFile(path, JSON.stringify({ pid: process.pid, startTicks }));
  return () => rmSync(path, { force: true });
}

/** Resumes what a backup that is no more has left paused. Its owner may have been faster. What fails is said, and tried again the next time. */
export async function resumeLeft({ pausedByBackup }: DataPaths, api: Api, progress: Progress): Promise<void> {
  const left: string[] = [];
  for (const id of marked(pausedByBackup)) if (!(await isHeld(join(pausedByBackup, id)))) left.push(id);
  for (const id of left) {
    try {
      const name = await resume(api, id);
      if (name !== null) progress.note(`'${name}' goes on, which a backup that was cut off had paused.`);
      rmSync(join(pausedByBackup, id), { force: true });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      progress.note(`${id} was paused by a backup that was cut off, and cannot be resumed now: ${why}`);
    }
  }
}

/** Resolves with its name; null where it is not paused. */
async function resume(api: Api, id: string): Promise<string | null> {
  const { environments } = All.parse(await api.call("GET", "/v1/admin/environments"));
  const found = environments.find((one) => one.id === id);
  const isBeingPaused = found?.operation === "pause";
  if (found === undefined || (found.state !== "paused" && !isBeingPaused)) return null;
  if (isBeingPaused) await api.call("GET", `/v1/environments/${id}/wait?state=paused&timeoutMs=${PAUSE_MS}`);
  await api.call("POST", `/v1/environments/${id}/resume`);
  return found.name;
}

function marked(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => ID.test(name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Whether the process runs that has paused it. A file that was cut off is of none. */
async function isHeld(path: string): Promise<boolean> {
  try {
    const { pid, startTicks } = Mark.parse(JSON.parse(readPlainFile(path, MOST_BYTES)));
    return (await readProcess(pid))?.startTicks === startTicks;
  } catch {
    return false;
  }
}
