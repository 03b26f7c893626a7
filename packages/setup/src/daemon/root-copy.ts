import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { basename, dirname, join } from "node:path";
import { whoElseMayChange } from "../data/trusted-path.ts";
import { scriptAsRoot } from "./root-commands.ts";

/** Root's own copies of daemons that ordinary users have built, each under the hash of its sources. */
const COPIES = "/var/cache/microterm-host";

/** The daemon, and what it finds beside itself; builds of earlier releases lack the second. */
const PROGRAMS = ["microterm-host", "microterm-jail-probe"] as const;

/**
 * Copies programs from the folder $1 to $2/$3 if their SHA-256 are those of $4 (a line for each, as of sha256sum), and keeps the four
 * newest builds. They are compared after copying: what is in $1 may be another file by the time that the password has been typed.
 */
const COPY = `
  set -eu
  umask 022
  mkdir -p "$2"
  copy=$(mktemp -d "$2/.copy-XXXXXX")
  trap 'rm -rf "$copy"' EXIT
  for name in $(printf '%s\n' "$4" | cut -c 67-); do cp -- "$1/$name" "$copy/$name"; done
  (cd "$copy" && printf '%s\n' "$4" | sha256sum --check --strict --quiet >&2 && chmod 755 . ./*)
  rm -rf "$2/$3"
  mv -T "$copy" "$2/$3"
  ls -1t "$2" | tail -n +5 | while read -r old; do rm -rf "$2/$old"; done
`;

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
  const sums = PROGRAMS.filter((name) => existsSync(join(folder, name))).map(
    (name) =>
      `${createHash("sha256")
        .update(readFileSync(join(folder, name)))
        .digest("hex")}  ${name}`,
  );
  await scriptAsRoot(COPY, folder, copies, key, sums.join("\n"));
  return copy;
}

function isRoots(path: string): boolean {
  try {
    return whoElseMayChange(path) === null;
  } catch {
    return false;
  }
}
