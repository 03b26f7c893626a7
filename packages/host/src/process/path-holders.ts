import { readdir, readlink } from "node:fs/promises";
import { readArguments, readProcesses } from "./proc-table.ts";

/** Processes that have a folder `directory/<id>` in their arguments, as working directory, or open, other than this one. */
export async function findHolders(
  directory: string,
  ids: readonly string[],
): Promise<readonly { readonly pid: number; readonly id: string }[]> {
  const folders = ids.map((id) => ({ id, path: `${directory}/${id}` }));
  const found: { pid: number; id: string }[] = [];
  for (const { pid } of await readProcesses()) {
    if (pid === process.pid) continue;
    const words = [...(await readArguments(pid)), ...(await readLinks(pid))];
    for (const { id, path } of folders) {
      if (words.some((word) => word.includes(`${path}/`) || word.endsWith(path))) found.push({ pid, id });
    }
  }
  return found;
}

async function readLinks(pid: number): Promise<readonly string[]> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const links = [`/proc/${pid}/cwd`, ...descriptors.map((name) => `/proc/${pid}/fd/${name}`)];
  return await Promise.all(links.map((link) => readlink(link).catch(() => "")));
}
