import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import type { DataPaths } from "../data/paths.ts";

/** The keeper's name in its own arguments, by which it is found again. */
const NAME = "microterm-keeper";
const PATIENCE_MS = 15_000;
const STEP_MS = 25;

/**
 * Runs a server and starts it again when it ends of itself, later each time up to half a minute. $1 is its server.json; the rest
 * is the command. One that has never listened is not started again: what it said is for the user who started it, and so are the exit
 * codes of a server that was told to stop (0, 130, 143) or has a bad configuration (2). A shell, because that takes a hundredth of
 * Node's memory and has nothing to die of.
 */
const KEEP = `
  json=$1; shift
  child= stopping= listened= delay=1
  trap 'stopping=1; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' TERM INT HUP
  while :; do
    began=$(date +%s)
    "$@" &
    child=$!
    while :; do
      code=0; wait "$child" || code=$?
      kill -0 "$child" 2>/dev/null || break
    done
    [ -z "$stopping" ] || exit "$code"
    case $code in 0 | 2 | 130 | 143) exit "$code" ;; esac
    ! grep -Fqs "\\"pid\\":$child," "$json" || listened=1
    [ -n "$listened" ] || exit "$code"
    [ $(($(date +%s) - began)) -lt 60 ] || delay=1
    echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) microterm: the server ended with code $code; starting it again in $delay s" >&2
    sleep "$delay" &
    child=$!
    wait "$child"
    [ -z "$stopping" ] || exit 0
    delay=$((delay * 2))
    [ "$delay" -le 30 ] || delay=30
  done
`;

/** The command that keeps a server running; it ends as the server does once that is told to. */
export const kept = (paths: DataPaths, server: readonly string[]): readonly string[] => [
  ...["sh", "-c", KEEP, NAME, `${paths.server}/server.json`],
  ...server,
];

/** Ends the keepers of a data folder, and with each its server, if one runs just now. True when there were any. */
export async function endKeepers(paths: DataPaths): Promise<boolean> {
  const keepers = findKeepers(paths);
  for (const pid of keepers) process.kill(pid, "SIGTERM");
  for (const deadline = Date.now() + PATIENCE_MS; keepers.some((pid) => isKeeper(pid, paths)); ) {
    // It waits for its server, which is deaf; the caller ends that one next.
    if (Date.now() > deadline) for (const pid of keepers) if (isKeeper(pid, paths)) process.kill(pid, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
  return keepers.length > 0;
}

function findKeepers(paths: DataPaths): readonly number[] {
  if (!existsSync(paths.server)) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isKeeper(pid, paths));
}

/** By user and arguments, as a server is known. */
function isKeeper(pid: number, paths: DataPaths): boolean {
  try {
    if (statSync(`/proc/${pid}`).uid !== statSync(paths.server).uid) return false;
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return words[3] === NAME && words.includes(paths.data);
  } catch {
    return false;
  }
}
