import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TempFolder {
  readonly path: string;
  remove(): Promise<void>;
}

/** A folder of a test's own below the system's temporary folder; its path is short, for the sockets in it. */
export async function makeTempFolder(): Promise<TempFolder> {
  const path = await mkdtemp(join(tmpdir(), "mt-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
