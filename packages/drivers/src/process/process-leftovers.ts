import { readdir } from "node:fs/promises";
import { findHolders, systemCode } from "@microterm/host";

/**
 * Whatever bears one of these ids: names in the scratch folder, and processes that work in, run with or hold open anything of
 * theirs. Looked for by name and by path, not by the mark that `remove` kills by.
 */
export async function searchLeftovers(directory: string, ids: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  const names = await readdir(directory).catch((error: unknown) => {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  });
  for (const name of names) if (ids.some((id) => name.includes(id))) found.push(`file ${name}`);
  for (const { pid, id } of await findHolders(directory, ids)) found.push(`process ${pid} of ${id}`);
  return found;
}
