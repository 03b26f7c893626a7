import { accessSync, constants, existsSync, statfsSync } from "node:fs";
import { cpus, freemem, release, totalmem } from "node:os";
import { dirname } from "node:path";
import { rememberedAccelerator } from "../daemon/accelerator.ts";
import type { DataPaths } from "../data/paths.ts";
import { type Check, type CheckFunction, fail, ok, read, version, warn } from "./check.ts";
import { NETWORK_CHECKS } from "./network-checks.ts";

const PROBLEM_OS = "Debian 12 or newer (tested), Ubuntu 22.04 or newer (written for, not tested)";

async function system(): Promise<Check> {
  const text = read("/etc/os-release") ?? "";
  const name = /^PRETTY_NAME="?([^"\n]*)/m.exec(text)?.[1] ?? "unknown system";
  const id = /^ID="?([^"\n]*)/m.exec(text)?.[1];
  const number = Number(/^VERSION_ID="?([\d.]+)/m.exec(text)?.[1] ?? 0);
  const said = `${name}, kernel ${release()}, Node ${process.version}`;
  if ((id === "debian" && number >= 12) || (id === "ubuntu" && number >= 22.04)) return ok("system", said);
  return warn("system", `${said}; microterm is made for ${PROBLEM_OS}`, `use ${PROBLEM_OS}`);
}

async function accelerator(paths: DataPaths): Promise<Check> {
  const qemu = (await version("qemu-system-x86_64"))?.match(/version (\S+)/)?.[1] ?? "";
  const flags = read("/proc/cpuinfo")?.match(/^flags\s*:.*$/m)?.[0] ?? "";
  const hardware = /\b(vmx|svm)\b/.test(flags);
  const known = rememberedAccelerator(paths, qemu);
  if (known?.accelerator === "kvm") return ok("accelerator", `kvm: ${known.reason}`);
  const reason =
    known?.reason ??
    (existsSync("/dev/kvm")
      ? "KVM is there but not proven yet: 'up' boots a guest to find out"
      : "there is no /dev/kvm");
  const fix = hardware
    ? "modprobe kvm_intel or kvm_amd, then remove accelerator.json from the data folder and run ./microterm up"
    : "use a machine with hardware virtualisation, or enable it in the firmware or (nested) in the hypervisor";
  return warn(
    "accelerator",
    `tcg (guests are emulated: slow, and no security boundary): ${reason}${hardware ? "" : "; the CPU shows neither vmx nor svm"}`,
    fix,
  );
}

async function jailTools(): Promise<Check> {
  const bwrap = await version("bwrap");
  if (bwrap === null)
    return fail("jail", "bubblewrap is missing: no VMM is started outside of its jail", "apt-get install bubblewrap");
  return ok("jail", `${bwrap}; QEMU runs in it with a uid, a cgroup and namespaces of its own`);
}

async function namespaces(): Promise<Check> {
  const missing = ["pid", "ipc", "mnt", "net", "uts"].filter((one) => !existsSync(`/proc/self/ns/${one}`));
  if (missing.length > 0)
    return fail("namespaces", `this kernel has no ${missing.join(", ")} namespaces`, "use a distribution's kernel");
  const limit = read("/proc/sys/user/max_user_namespaces");
  return ok(
    "namespaces",
    `pid, ipc, mnt, net, uts; user namespaces allowed: ${limit ?? "unknown"} (the jail needs none, building the image as an ordinary user does)`,
  );
}

async function appArmor(): Promise<Check> {
  const restricted = read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
  if (restricted !== "1")
    return ok(
      "apparmor",
      restricted === null ? "does not restrict user namespaces here" : "user namespaces are unrestricted",
    );
  if (process.getuid?.() === 0) return ok("apparmor", "restricts user namespaces of ordinary users; root needs none");
  return warn(
    "apparmor",
    "restricts user namespaces of ordinary users: the image can't be built as one",
    "sudo ./microterm up, or: sysctl kernel.apparmor_restrict_unprivileged_userns=0",
  );
}

async function cgroups(): Promise<Check> {
  const unified = read("/sys/fs/cgroup/cgroup.controllers");
  if (unified !== null) {
    const missing = ["memory", "pids"].filter((one) => !unified.split(" ").includes(one));
    if (missing.length === 0) return cpuTime("v2", unified.split(" ").includes("cpu"));
    return fail(
      "cgroups",
      `v2 without ${missing.join(" and ")}`,
      "boot with cgroup_enable=memory, or in a container: delegate the controllers",
    );
  }
  const missing = ["memory", "pids"].filter((one) => !existsSync(`/sys/fs/cgroup/${one}/cgroup.procs`));
  if (missing.length === 0) return cpuTime("v1 (legacy)", existsSync("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"));
  return fail(
    "cgroups",
    `neither v2 nor v1 with ${missing.join(" and ")}: a machine could use all of the host`,
    "mount the cgroup file system",
  );
}

function cpuTime(version: string, isLimited: boolean): Check {
  if (isLimited) return ok("cgroups", `${version} with memory, pids and cpu`);
  return warn(
    "cgroups",
    `${version} with memory and pids, without cpu: no environment's CPU time is limited, and one can slow all others down`,
    "use a kernel with CONFIG_CFS_BANDWIDTH and have the cpu controller mounted, or in a container: delegated",
  );
}

async function qemu(): Promise<Check> {
  const found = await version("qemu-system-x86_64");
  if (found === null) return fail("qemu", "qemu-system-x86_64 is missing", "apt-get install qemu-system-x86");
  return ok("qemu", found);
}

async function imageTools(): Promise<Check> {
  const missing = [
    ["mmdebstrap", "mmdebstrap"],
    ["mkfs.erofs", "erofs-utils"],
    ["mkfs.ext4", "e2fsprogs"],
  ].filter(([command]) => !(process.env.PATH ?? "").split(":").some((folder) => isExecutable(`${folder}/${command}`)));
  if (missing.length === 0) return ok("image tools", "mmdebstrap, mkfs.erofs, mkfs.ext4");
  const packages = missing.map(([, name]) => name).join(" ");
  return fail(
    "image tools",
    `missing: ${missing.map(([command]) => command).join(", ")}`,
    `apt-get install ${packages}`,
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function memory(): Promise<Check> {
  const available = Number(/^MemAvailable:\s+(\d+)/m.exec(read("/proc/meminfo") ?? "")?.[1] ?? freemem() / 1024) / 1024;
  const text = `${Math.round(available)} MiB of ${Math.round(totalmem() / 1048576)} MiB are free, ${cpus().length} CPUs; a default environment takes up to 512 MiB and about 100 more`;
  return available >= 1024
    ? ok("memory", text)
    : warn("memory", text, "stop what you don't need; environments are refused where memory is short");
}

async function disk(paths: DataPaths): Promise<Check> {
  let folder = paths.data;
  while (!existsSync(folder)) folder = dirname(folder);
  const { bavail, bsize, blocks } = statfsSync(folder);
  const free = Math.round((bavail * bsize) / 1e9);
  const text = `${free} GB of ${Math.round((blocks * bsize) / 1e9)} GB are free in ${folder}; set-up takes about 2 GB, an environment what it writes`;
  return free >= 4
    ? ok("disk", text)
    : warn("disk", text, "free some, or put the data elsewhere: ./microterm up --data DIR");
}

/** Of a host that has a server, and machines elsewhere. */
export const SERVER_HOST_CHECKS: readonly CheckFunction[] = [system, disk];

export const CHECKS: readonly CheckFunction[] = [
  system,
  accelerator,
  qemu,
  jailTools,
  namespaces,
  appArmor,
  cgroups,
  imageTools,
  memory,
  disk,
  ...NETWORK_CHECKS,
];
