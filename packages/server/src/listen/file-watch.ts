import { type FSWatcher, statSync, watch } from "node:fs";
import { dirname } from "node:path";

/** Both files of a pair are replaced within it. */
const SETTLE_MS = 500;
/** Where the kernel does not tell: other hosts' changes of a network file system, or no watch that is left. */
const POLL_MS = 30_000;

/**
 * Calls `changed` after one of these files has become another one, or has other content: also where it is a link that leads elsewhere
 * since. Returns what ends it.
 */
export function watchFiles(paths: readonly string[], changed: () => void): () => void {
  const look = (): string => paths.map(identityOf).join("\n");
  let known = look();
  let settling: NodeJS.Timeout | null = null;
  const compare = (): void => {
    settling = null;
    const now = look();
    if (now === known) return;
    known = now;
    changed();
  };
  const noticed = (): void => {
    settling ??= setTimeout(compare, SETTLE_MS).unref();
  };
  const watchers = [...new Set(paths.map((path) => dirname(path)))].flatMap((folder) => watchFolder(folder, noticed));
  const poll = setInterval(compare, POLL_MS).unref();
  return () => {
    for (const watcher of watchers) watcher.close();
    clearInterval(poll);
    if (settling !== null) clearTimeout(settling);
  };
}

function watchFolder(folder: string, noticed: () => void): FSWatcher[] {
  try {
    return [watch(folder, { persistent: false }, noticed).on("error", () => undefined)];
  } catch {
    // The poll finds what happens there.
    return [];
  }
}

function identityOf(path: string): string {
  try {
    const { dev, ino, size, mtimeMs } = statSync(path);
    return [dev, ino, size, mtimeMs].join(":");
  } catch {
    return "missing";
  }
}
