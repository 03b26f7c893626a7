import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { basename, dirname, join } from "node:path";
import { whoElseMayChange } from "../data/trusted-path.ts";
import type { FirecrackerPrograms } from "../firecracker/programs.ts";
import { scriptAsRoot } from "./root-commands.ts";

/** Root's own copies of daemons that ordinary users have built, each under the hash of its sources. */
const COPIES = "/var/cache/microterm-host";
const FIRECRACKER_COPIES = "/var/cache/microterm-firecracker";

/** The daemon, and what it finds beside itself; builds of earlier releases lack the second. */
const PROGRAMS = ["microterm-host", "microterm-jail-probe"] as const;

/**
 * Makes the folder $1/$2 of copies if their SHA-256 are those of $3 (a line for each, as of sha256sum), and keeps the four newest of
 * $1. What follows are pairs: a program, and the name of its copy. They are compared after copying: what lies there may
 * be another file by the time that the password has been typed.
 */
const COPY = `
  set -eu
  umask 022
  copies=$1 key=$2 sums=$3
  shift 3
  mkdir -p "$copies"
  copy=$(mktemp -d "$copies/.copy-XXXXXX")
  trap 'rm -rf "$copy"' EXIT
  while [ $# -gt 0 ]; do cp -- "$1" "$copy/$2"; shift 2; done
  (cd "$copy" && printf '%s\n' "$sums" | sha256sum --check --strict --quiet >&2 && chmod 755 . ./*)
  rm -rf "$copies/$key"
  mv -T "$copy" "$copies/$key"
  ls -1t "$copies" | tail -n +5 | while read -r old; do rm -rf "$copies/$old"; done
`;

const sumOf = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

/**
 * The daemon to run as root: root's own build as it is; of another user's build a copy that is root's, made when
 * these sources are first run. An attacker who gets hold of the user's account later, as through the server, cannot change what
 * the next start runs as root.
 */
export async function rootCopy(binary: string, copies = COPIES): Promise<string> {
  if (userInfo().uid === 0 && copies === COPIES) return binary;
  const key = basename(dirname(binary));
  const copy = join(copies, key, "microterm-host");
  if (isRoots(copy)) return copy;
  const folder = dirname(binary);
  const programs = PROGRAMS.filter((name) => existsSync(join(folder, name)));
  const sums = programs.map((name) => `${sumOf(join(folder, name))}  ${name}`).join("\n");
  await scriptAsRoot(COPY, copies, key, sums, ...programs.flatMap((name) => [join(folder, name), name]));
  return copy;
}

/**
 * Firecracker and its jailer, which root starts, as nobody but root can change them: as they are where that is so already, else
 * a copy, under what is in it.
 */
export async function rootFirecracker(
  programs: FirecrackerPrograms,
  copies = FIRECRACKER_COPIES,
): Promise<FirecrackerPrograms> {
  const { firecracker, jailer } = programs;
  if (isRoots(firecracker) && isRoots(jailer)) return programs;
  const sums = [`${sumOf(firecracker)}  firecracker`, `${sumOf(jailer)}  jailer`].join("\n");
  const key = createHash("sha256").update(sums).digest("hex").slice(0, 16);
  const copy = { firecracker: join(copies, key, "firecracker"), jailer: join(copies, key, "jailer") };
  if (isRoots(copy.firecracker) && isRoots(copy.jailer)) return copy;
  await scriptAsRoot(COPY, copies, key, sums, firecracker, "firecracker", jailer, "jailer");
  return copy;
}

function isRoots(path: string): boolean {
  try {
    return whoElseMayChange(path) === null;
  } catch {
    return false;
  }
}
