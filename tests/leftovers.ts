/**
 * `leftovers.ts --record FILE` notes what of microterm exists on the host; `leftovers.ts FILE` fails when there is more now:
 * processes, network namespaces, links, mounts, cgroups, uid claims. Looks at the kernel's own lists, not at what
 * the product believes.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

function processes(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
        const ours =
          /microterm-(agent|host)|mt-postgres|mt-cluster|qemu-system|bwrap |packages\/(server|cli)\/src\/.*main\.ts/.test(
            command,
          );
        return ours ? [`process ${pid} ${command.slice(0, 160)}`] : [];
      } catch {
        return [];
      }
    });
}

/** None of a folder that has just gone. */
function foldersIn(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return [];
  }
}

function cgroups(): string[] {
  const found: string[] = [];
  const walk = (folder: string, depth: number): void => {
    for (const name of foldersIn(folder)) {
      const path = join(folder, name);
      // A cluster's containers are below `k8s.io`.
      if (name.startsWith("microterm-") || basename(folder) === "k8s.io") found.push(`cgroup ${path}`);
      else if (depth < 4) walk(path, depth + 1);
    }
  };
  if (existsSync("/sys/fs/cgroup")) walk("/sys/fs/cgroup", 0);
  return found;
}

const lines = (command: string, args: readonly string[], prefix: string): string[] =>
  (spawnSync(command, args, { encoding: "utf8" }).stdout ?? "")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => `${prefix} ${line}`);

function uidClaims(): string[] {
  const folder = "/run/microterm-host/uids";
  // The lock of all daemons is no claim, and stays.
  const claims = existsSync(folder) ? readdirSync(folder).filter((name) => name !== ".lock") : [];
  return claims.map((name) => `uid claim ${name}`);
}

function snapshot(): string[] {
  const mounts = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .filter((line) => line !== "");
  return [
    ...processes(),
    ...cgroups(),
    ...uidClaims(),
    ...mounts.map((line) => `mount ${line}`),
    ...lines("ip", ["netns", "list"], "netns"),
    ...lines("ip", ["-o", "link"], "link").map((line) => line.split(" ").slice(0, 3).join(" ")),
    ...lines("nft", ["list", "tables"], "nft"),
  ];
}

const [first = "", second = ""] = process.argv.slice(2);
if (first === "--record") {
  writeFileSync(second, JSON.stringify(snapshot()));
} else {
  const before = new Set(JSON.parse(readFileSync(first, "utf8")) as string[]);
  // Processes that are on their way out get a moment.
  const deadline = Date.now() + 30_000;
  let left = snapshot().filter((line) => !before.has(line));
  while (left.length > 0 && Date.now() < deadline) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    left = snapshot().filter((line) => !before.has(line));
  }
  for (const line of left) console.error(`left behind: ${line}`);
  process.exit(left.length === 0 ? 0 : 1);
}
