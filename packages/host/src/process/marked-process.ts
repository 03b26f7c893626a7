import { spawn } from "node:child_process";
import { open } from "node:fs/promises";
import { pause } from "../deadline.ts";
import { systemCode } from "../unix-socket.ts";
import { hasInEnvironment, type ProcessEntry, readArguments, readProcess, readProcesses } from "./proc-table.ts";

/** A tree that still has members after this long fights back; the caller learns of it. */
const KILL_MS = 10_000;
const KILL_STEP_MS = 20;

export interface MarkedProcessOptions {
  readonly binary: string;
  readonly args: readonly string[];
  readonly directory: string;
  /** Receives stdout and stderr; replaced, 0600. */
  readonly logFile: string;
  /** `NAME=value` in the process's environment, by which it is found again. */
  readonly mark: string;
}

export interface MarkedProcess {
  readonly entry: ProcessEntry;
  /** Resolves when the process has ended. Never rejects. Known only to the process that started it. */
  readonly exited: Promise<void>;
}

/**
 * Starts a process in a session of its own, so that it outlives its starter, with a bare environment and a mark by which its
 * whole tree is found again. Rejects with the system's error (ENOENT, EACCES …).
 */
export async function startMarked(options: MarkedProcessOptions): Promise<MarkedProcess> {
  const log = await open(options.logFile, "w", 0o600);
  try {
    const child = spawn(options.binary, [...options.args], {
      cwd: options.directory,
      detached: true,
      stdio: ["ignore", log.fd, log.fd],
      env: {
        PATH: process.env.PATH ?? "/usr/local/bin:/usr/bin:/bin",
        LANG: process.env.LANG ?? "C.UTF-8",
        ...Object.fromEntries([splitMark(options.mark)]),
      },
    });
    const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", () => resolve());
      child.once("error", reject);
    });
    child.on("error", () => {});
    child.unref();
    const entry = await readProcess(child.pid as number);
    if (entry === null) throw new Error(`${options.binary} ended at once`);
    return { entry, exited };
  } finally {
    await log.close();
  }
}

/** The process with this mark whose arguments hold `argument`: the tree's root. Null when it does not run. */
export async function findMarked(mark: string, argument: string): Promise<ProcessEntry | null> {
  return (await findAllMarked(new Map([[argument, mark]]))).get(argument) ?? null;
}

/** The same for many at once, by argument, in one look at all processes. What does not run is not there. */
export async function findAllMarked(marks: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, ProcessEntry>> {
  const found = new Map<string, ProcessEntry>();
  if (marks.size === 0) return found;
  for (const entry of await readProcesses()) {
    if (entry.pid === process.pid) continue;
    const argument = (await readArguments(entry.pid)).find((one) => marks.has(one) && !found.has(one));
    const mark = argument === undefined ? undefined : marks.get(argument);
    if (argument === undefined || mark === undefined || !(await hasInEnvironment(entry.pid, mark))) continue;
    found.set(argument, entry);
    if (found.size === marks.size) break;
  }
  return found;
}

/** True while that very process (not a later one with its pid) runs. */
export async function isRunning(entry: ProcessEntry): Promise<boolean> {
  const now = await readProcess(entry.pid);
  return now !== null && now.startTicks === entry.startTicks && !now.isZombie;
}

/** Every process that bears one of the marks, descends from one that does, or is in a session that one of them leads. */
export async function findTree(marks: readonly string[]): Promise<readonly ProcessEntry[]> {
  const all = await readProcesses();
  const members = new Set<number>();
  const sessions = new Set<number>();
  for (const entry of all) {
    if (entry.pid !== process.pid && (await hasInEnvironment(entry.pid, ...marks))) {
      members.add(entry.pid);
      // A session that a member leads is the tree's own; one it merely is in may be its starter's.
      if (entry.session === entry.pid) sessions.add(entry.pid);
    }
  }
  for (let before = -1; before !== members.size; ) {
    before = members.size;
    for (const entry of all) {
      if (!members.has(entry.parent) && !sessions.has(entry.session)) continue;
      members.add(entry.pid);
      if (entry.session === entry.pid) sessions.add(entry.pid);
    }
  }
  members.delete(process.pid);
  return all.filter((entry) => members.has(entry.pid));
}

/**
 * Kills a marked tree: stops its members until no new one appears, then SIGKILLs all, again until none is left. Resolves with how
 * many there were. Rejects when some are still there after 10 s.
 */
export async function killTree(marks: readonly string[]): Promise<number> {
  const seen = new Set<string>();
  for (const until = Date.now() + KILL_MS; Date.now() < until; await pause(KILL_STEP_MS)) {
    let tree = await findTree(marks);
    if (tree.length === 0) return seen.size;
    for (let before = -1; before !== tree.length; ) {
      before = tree.length;
      for (const entry of tree) send(entry.pid, "SIGSTOP");
      tree = await findTree(marks);
    }
    for (const entry of tree) {
      seen.add(`${entry.pid} ${entry.startTicks}`);
      send(entry.pid, "SIGKILL");
    }
  }
  const left = await findTree(marks);
  if (left.length > 0) throw new Error(`processes that cannot be killed: ${left.map((entry) => entry.pid).join(", ")}`);
  return seen.size;
}

function splitMark(mark: string): [string, string] {
  const at = mark.indexOf("=");
  return [mark.slice(0, at), mark.slice(at + 1)];
}

function send(pid: number, signal: "SIGSTOP" | "SIGKILL"): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // ESRCH: gone meanwhile. EPERM: a set-uid program; the caller's deadline tells.
    const code = systemCode(error);
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}
