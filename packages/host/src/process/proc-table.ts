import { readdir, readFile } from "node:fs/promises";

/** One process as proc_pid_stat(5) has it. */
export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  /** Clock ticks since boot: with the pid it names a process for ever. */
  readonly startTicks: string;
  /** A dead process that its parent has not reaped yet counts as gone. */
  readonly isZombie: boolean;
}

/** Null when there is no such process (any more). */
export async function readProcess(pid: number): Promise<ProcessEntry | null> {
  const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => null);
  if (stat === null) return null;
  // The name in parentheses may hold anything, spaces and parentheses too: fields begin after the last one.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, parent, , session] = fields;
  const startTicks = fields[19];
  if (state === undefined || startTicks === undefined) return null;
  return {
    pid,
    parent: Number(parent),
    session: Number(session),
    startTicks,
    isZombie: state === "Z" || state === "X",
  };
}

/** Every process this user can see, without zombies. */
export async function readProcesses(): Promise<readonly ProcessEntry[]> {
  const names = await readdir("/proc");
  const found: ProcessEntry[] = [];
  for (const name of names) {
    if (!/^[0-9]+$/.test(name)) continue;
    const entry = await readProcess(Number(name));
    if (entry !== null && !entry.isZombie) found.push(entry);
  }
  return found;
}

/** The arguments, or [] when they cannot be read. */
export async function readArguments(pid: number): Promise<readonly string[]> {
  const text = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return text.split("\0").slice(0, -1);
}

/** True when the environment that the process was started with holds one of `entries` (`NAME=value`). */
export async function hasInEnvironment(pid: number, ...entries: readonly string[]): Promise<boolean> {
  const text = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
  const variables = text.split("\0");
  return entries.some((entry) => variables.includes(entry));
}
