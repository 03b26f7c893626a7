import { createHash } from "node:crypto";
import { type Dirent, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

const IGNORED = new Set(["node_modules", "target", "dist", ".git"]);

/** A hash of the names and contents of all files below some folders or files, so that a build is done once per content. */
export function treeHash(root: string, parts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const part of parts) {
    for (const file of filesBelow(join(root, part))) {
      hash.update(`${relative(root, file)}\0`).update(createHash("sha256").update(readFileSync(file)).digest());
    }
  }
  return hash.digest("hex").slice(0, 16);
}

function filesBelow(path: string): readonly string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR") return [path];
    throw error;
  }
  return entries
    .filter((entry) => !IGNORED.has(entry.name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => (entry.isDirectory() ? filesBelow(join(path, entry.name)) : [join(path, entry.name)]));
}
