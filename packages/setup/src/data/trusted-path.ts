import { lstatSync, readlinkSync } from "node:fs";
import { dirname, resolve } from "node:path";

const STICKY = 0o1000;
const GROUP_MAY_WRITE = 0o020;
const ALL_MAY_WRITE = 0o002;
/** As the kernel's own limit, see path_resolution(7). */
const MOST_LINKS = 40;

/**
 * Why others than root could change what `path` stands for, or null when nobody can. Every folder and every link on the way
 * counts: a user who may rename one can put something else in its place between a check and a use. A folder with the
 * sticky bit, such as /tmp, may lie on the way: what is root's there is renamed by root alone. Throws ENOENT.
 */
export function whoElseMayChange(path: string): string | null {
  return examine(resolve(path), true, MOST_LINKS);
}

function examine(path: string, isLast: boolean, links: number): string | null {
  const above = path === "/" ? null : examine(dirname(path), false, links);
  if (above !== null) return above;
  const found = lstatSync(path);
  const { uid, gid, mode } = found;
  if (uid !== 0) return `${path} belongs to uid ${uid}`;
  if (found.isSymbolicLink()) {
    if (links === 0) return `${path} is a link without an end`;
    return examine(resolve(dirname(path), readlinkSync(path)), isLast, links - 1);
  }
  const isOpen = (mode & ALL_MAY_WRITE) !== 0 || ((mode & GROUP_MAY_WRITE) !== 0 && gid !== 0);
  if (!isOpen || (!isLast && (mode & STICKY) !== 0)) return null;
  return `others than root may write to ${path}`;
}
