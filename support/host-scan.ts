import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** cgroup v1 and v2 (cgroups(7)) mount below this. */
const CGROUPS = "/sys/fs/cgroup";
const UID_CLAIMS = "/run/microterm-host/uids";

const names = (path: string): Promise<readonly string[]> => readdir(path).catch(() => []);
const text = (path: string): Promise<string> => readFile(path, "utf8").catch(() => "");

/**
 * The tests' own search for what one daemon's instance has left on the host, by other means than the daemon's: processes, mounts,
 * cgroups and uid claims that bear its name or its data folder's path. `kind name` each; empty when nothing is left.
 */
export async function scanHost(scope: {
  readonly data: string;
  readonly instance: string;
}): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const pid of await names("/proc")) {
    if (!/^[0-9]+$/.test(pid) || pid === String(process.pid)) continue;
    const words = (await text(`/proc/${pid}/cmdline`)).replaceAll("\0", " ");
    const cgroup = await text(`/proc/${pid}/cgroup`);
    if (words.includes(scope.data) || cgroup.includes(`microterm-${scope.instance}`)) {
      found.add(`process ${pid} ${words.slice(0, 80)}`);
    }
  }
  if ((await text("/proc/self/mountinfo")).includes(scope.data)) found.add(`mount below ${scope.data}`);
  const hierarchies = [CGROUPS, ...(await names(CGROUPS)).map((name) => join(CGROUPS, name))];
  for (const hierarchy of hierarchies) {
    const path = join(hierarchy, `microterm-${scope.instance}`);
    for (const name of await names(path)) if (/^[a-z0-9]{8,32}$/.test(name)) found.add(`cgroup ${join(path, name)}`);
  }
  for (const uid of await names(UID_CLAIMS)) {
    if ((await text(join(UID_CLAIMS, uid))).includes(scope.instance)) found.add(`uid ${uid}`);
  }
  return [...found];
}
