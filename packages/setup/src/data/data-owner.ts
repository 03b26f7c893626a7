import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { runInteractive } from "@microterm/host";
import { SetupError } from "../progress.ts";
import { CHECKOUT } from "./paths.ts";
import { whoElseMayChange } from "./trusted-path.ts";

/** An ordinary user whose data folder root has been pointed to. */
export interface FolderOwner {
  readonly uid: number;
  readonly gid: number;
  readonly name: string;
  readonly home: string;
}

/**
 * Who owns a data folder that root was asked to work on and that is not root's alone; null where there is nobody to
 * become. What lies in such a folder names programs, sockets and processes, and its owner can exchange any of it at any time.
 * Throws where no owner can be trusted.
 */
export function foreignOwner(data: string): FolderOwner | null {
  if (process.getuid?.() !== 0) return null;
  let why: string | null;
  let uid: number;
  let gid: number;
  try {
    why = whoElseMayChange(data);
    ({ uid, gid } = statSync(data));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  if (why === null) return null;
  if (uid !== 0) return { uid, gid, ...accountOf(uid) };
  throw new SetupError(`root does not work on the data folder ${resolve(data)}: ${why}`, `chmod or chown it first`);
}

/** `passwd(5)`: name, password, uid, gid, comment, home, shell. */
function accountOf(uid: number): { readonly name: string; readonly home: string } {
  for (const line of readFileSync("/etc/passwd", "utf8").split("\n")) {
    const [name, , id, , , home] = line.split(":");
    if (name && id === String(uid)) return { name, home: home || "/" };
  }
  return { name: `uid ${uid}`, home: "/" };
}

/** Runs a verb again as the folder's owner, with none of root's rights and none of its environment. Resolves with its exit code. */
export function runAsOwner(owner: FolderOwner, verb: string, args: readonly string[]): Promise<number> {
  const kept = ["PATH", "LANG", "TERM", "TZ"].flatMap((name) =>
    process.env[name] === undefined ? [] : [`${name}=${process.env[name]}`],
  );
  const command = [
    ...["setpriv", `--reuid=${owner.uid}`, `--regid=${owner.gid}`, "--clear-groups", "--inh-caps=-all", "--"],
    ...["env", "--ignore-environment", "--chdir=/", ...kept, `HOME=${owner.home}`, "NODE_NO_WARNINGS=1"],
    ...[process.execPath, `${CHECKOUT}/packages/setup/src/main.ts`, verb, ...args],
  ];
  return runInteractive(command, { stdout: 1, stderr: 2 });
}
