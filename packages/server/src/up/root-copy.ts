import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { basename, dirname, join } from "node:path";
import { scriptAsRoot } from "./root-commands.ts";
import { whoElseMayChange } from "./trusted-path.ts";

/** Root's own copies of daemons that ordinary users have built, each under the hash of its sources. */
const COPIES = "/var/cache/microterm-host";

/**
 * Copies $1 to $2/$3/microterm-host if its SHA-256 is $4, and keeps the four newest. It is compared after copying: what is at $1 may be
 * another file by the time that the password has been typed.
 */
const COPY = `
  set -eu
  umask 022
  mkdir -p "$2"
  copy=$(mktemp -d "$2/.copy-XXXXXX")
  trap 'rm -rf "$copy"' EXIT
  cp -- "$1" "$copy/microterm-host"
  [ "$(sha256sum <"$copy/microterm-host" | cut -c 1-64)" = "$4" ]
  chmod 755 "$copy" "$copy/microterm-host"
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
  const hash = createHash("sha256").update(readFileSync(binary)).digest("hex");
  await scriptAsRoot(COPY, binary, copies, key, hash);
  return copy;
}

function isRoots(path: string): boolean {
  try {
    return whoElseMayChange(path) === null;
  } catch {
    return false;
  }
}
