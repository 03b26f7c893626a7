import { lstat, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { CommandRunner } from "./command-runner.ts";

/** `<prefix><uid>-<pid>-<start time of that process>-<random>`: who is building there can be read from the name. */
const PREFIX = "microterm-image-";

/** Field 22 of proc_pid_stat(5): with the pid it names a process once and for all (until the host reboots). */
async function startTime(pid: number | "self"): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The name in parentheses may hold anything, so what follows the last one is counted.
  return text?.slice(text.lastIndexOf(")") + 2).split(" ")[19];
}

const ownUid = () => process.getuid?.() ?? 0;

/** A folder below `parent` that the next build removes should this process die; anybody may look in (see base-command.ts). */
export async function makeScratch(parent: string): Promise<string> {
  return mkdtemp(join(parent, `${PREFIX}${ownUid()}-${process.pid}-${await startTime("self")}-`));
}

/** Whether anything is mounted in a folder: what is deleted through a mount may be the host's own. */
async function hasMountsBelow(path: string): Promise<boolean> {
  // Field 5 of proc_pid_mountinfo(5); a space in it is written \040.
  const lines = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
  return lines.some((line) => line.split(" ")[4]?.startsWith(`${path.replaceAll(" ", "\\040")}/`));
}

/**
 * Removes a scratch folder. What an ordinary user's build left in it belongs to subordinate uids, and goes with
 * mmdebstrap's own way into its user namespace. Returns false when something is left, for the next build to remove: the
 * last programs of a build that was killed may still be writing.
 */
export async function removeScratch(path: string, runner: CommandRunner): Promise<boolean> {
  if (await hasMountsBelow(path)) return false;
  const remove = () =>
    rm(path, { recursive: true, force: true }).then(
      () => true,
      () => false,
    );
  if (await remove()) return true;
  const inNamespace = ["mmdebstrap", "--unshare-helper", "rm", "-rf", "--one-file-system", "--", path];
  await runner.run(inNamespace).catch(() => undefined);
  return remove();
}

/** Removes this user's scratch folders below `parent` whose builder is gone. Returns how many. */
export async function removeStaleScratch(parent: string, runner: CommandRunner): Promise<number> {
  let removed = 0;
  for (const name of await readdir(parent).catch(() => [] as string[])) {
    const [uid, pid, started] = name.startsWith(PREFIX) ? name.slice(PREFIX.length).split("-") : [];
    if (uid !== String(ownUid()) || !pid || (await startTime(Number(pid))) === started) continue;
    // Anybody may give a folder of /var/tmp this name, and exchange what is in it while it is removed.
    const found = await lstat(join(parent, name)).catch(() => undefined);
    if (!found?.isDirectory() || found.uid !== ownUid()) continue;
    if (await removeScratch(join(parent, name), runner)) removed++;
  }
  return removed;
}
