import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";

/** cgroup v1 and v2 (cgroups(7)) mount below this. */
const CGROUPS = "/sys/fs/cgroup";
const UID_CLAIMS = "/run/microterm-host/uids";
const MACHINE_ID = /^[a-z0-9]{8,32}$/;

const names = (path: string): Promise<readonly string[]> => readdir(path).catch(() => []);
const text = (path: string): Promise<string> => readFile(path, "utf8").catch(() => "");
const pids = async (): Promise<readonly string[]> => (await names("/proc")).filter((name) => /^[0-9]+$/.test(name));

/** Whose things are looked for: one daemon's. */
export interface ScanScope {
  readonly data: string;
  readonly instance: string;
}

/**
 * The tests' own search for what one daemon's instance has left on the host, by other means than the daemon's: processes, mounts,
 * cgroups and uid claims that bear its name or its data folder's path. `kind name` each; empty when nothing is left.
 */
export async function scanHost({ data, instance }: ScanScope): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const pid of await pids()) {
    if (pid === String(process.pid)) continue;
    const words = (await text(`/proc/${pid}/cmdline`)).replaceAll("\0", " ");
    const cgroup = await text(`/proc/${pid}/cgroup`);
    if (words.includes(data) || cgroup.includes(`microterm-${instance}`)) {
      found.add(`process ${pid} ${words.slice(0, 80)}`);
    }
  }
  if ((await text("/proc/self/mountinfo")).includes(data)) found.add(`mount below ${data}`);
  for (const line of [...(await machineCgroups(instance)), ...(await uidClaims(instance))]) found.add(line);
  return [...found];
}

/**
 * The same for machines and disks alone, while daemon and server still run: also their folders, and whatever else bears one of
 * the machines' `ids` (sockets, processes, mounts in any mount namespace), and network namespaces that are kept open.
 */
export async function scanMachines(
  { data, instance }: ScanScope,
  ids: readonly string[] = [],
): Promise<readonly string[]> {
  const found = new Set([...(await machineCgroups(instance)), ...(await uidClaims(instance))]);
  const bears = (line: string): boolean => ids.some((id) => line.includes(id));
  for (const name of await names(join(data, "host/machines"))) found.add(`folder ${name}`);
  for (const name of await names(join(data, "host/disks"))) found.add(`disk ${name}`);
  for (const line of (await text("/proc/net/unix")).split("\n")) if (bears(line)) found.add(`socket ${line}`);
  const hostNetwork = await readlink("/proc/self/ns/net").catch(() => "");
  for (const pid of await pids()) {
    const words = (await text(`/proc/${pid}/cmdline`)).replaceAll("\0", " ");
    const cgroup = await text(`/proc/${pid}/cgroup`);
    if (bears(words) || cgroup.includes(`microterm-${instance}/`)) found.add(`process ${pid} ${words.slice(0, 80)}`);
    for (const line of (await text(`/proc/${pid}/mountinfo`)).split("\n")) {
      if (bears(line)) found.add(`mount of ${pid}: ${line}`);
    }
    if (!words.includes(data)) continue;
    const descriptors = (await names(`/proc/${pid}/fd`)).map((fd) => `/proc/${pid}/fd/${fd}`);
    for (const link of await Promise.all(descriptors.map((fd) => readlink(fd).catch(() => "")))) {
      if (link.startsWith("net:[") && link !== hostNetwork) found.add(`namespace ${link} held by ${pid}`);
    }
  }
  return [...found];
}

async function machineCgroups(instance: string): Promise<readonly string[]> {
  const hierarchies = [CGROUPS, ...(await names(CGROUPS)).map((name) => join(CGROUPS, name))];
  const found = await Promise.all(
    hierarchies.map(async (hierarchy) => {
      const path = join(hierarchy, `microterm-${instance}`);
      return (await names(path)).filter((name) => MACHINE_ID.test(name)).map((name) => `cgroup ${join(path, name)}`);
    }),
  );
  return found.flat();
}

async function uidClaims(instance: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const uid of await names(UID_CLAIMS)) {
    if ((await text(join(UID_CLAIMS, uid))).includes(instance)) found.push(`uid ${uid}`);
  }
  return found;
}
