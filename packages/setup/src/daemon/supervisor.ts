import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { basename } from "node:path";
import { SetupError } from "../progress.ts";
import { scriptAsRoot } from "./root-commands.ts";

const PATIENCE_MS = 10_000;
const STEP_MS = 30;

/**
 * Ends process $1 if it is the supervisor of the data folder $2. The pid came from the process that holds the folder's socket, so it
 * could be anybody's; what root looks at instead is what /proc says of the process, which only root can bring about:
 * its user, its program (which an ordinary user may not ask for, see proc_pid_exe(5)) and its arguments.
 */
const END_SUPERVISOR = `
  [ "$(stat -c %u "/proc/$1")" = 0 ] || exit 3
  case $(readlink "/proc/$1/exe") in */microterm-host | */"microterm-host (deleted)") ;; *) exit 3 ;; esac
  tr '\\0' '\\n' <"/proc/$1/cmdline" | grep -Fxq -e "$2" || exit 3
  kill -TERM "$1"
`;

/** Stops the supervisor, which ends the daemon with it, and waits until it has. Machines go on. */
export async function endSupervisor(pid: number, data: string): Promise<void> {
  if (isGone(pid)) return;
  try {
    await scriptAsRoot(END_SUPERVISOR, String(pid), data);
  } catch (error) {
    if (isGone(pid)) return;
    throw new SetupError(
      `process ${pid} was not ended: it is not known to be the microterm-host of ${data}`,
      `look at it: ps -fp ${pid}`,
      { cause: error },
    );
  }
  for (const deadline = Date.now() + PATIENCE_MS; !isGone(pid); ) {
    if (Date.now() > deadline) throw new SetupError(`microterm-host (pid ${pid}) does not stop`, `kill -9 ${pid}`);
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
}

/** Supervisors of a data folder, found by root among all processes and not by the folder's own word. */
export function findSupervisors(data: string): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isSupervisor(pid, data));
}

function isSupervisor(pid: number, data: string): boolean {
  try {
    if (statSync(`/proc/${pid}`).uid !== 0) return false;
    const program = basename(readlinkSync(`/proc/${pid}/exe`)).replace(/ \(deleted\)$/, "");
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return program === "microterm-host" && words[1] === "serve" && words.includes(data);
  } catch {
    return false;
  }
}

function isGone(pid: number): boolean {
  try {
    // A dead one whose parent has not asked for its end yet is gone.
    return /^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return true;
  }
}
