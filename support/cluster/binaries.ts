import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import type { Absence } from "../firecracker-binaries.ts";
import { testCache } from "../test-image.ts";

/** Kubernetes is built from its Go modules: no package has an API server. Its staging modules have 0 in place of 1. */
const KUBERNETES = "1.34.4";
const ETCD = "3.6.16";
const KUBERNETES_PROGRAMS = [
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kubelet",
  "kubectl",
] as const;
/** Of Debian's containerd, runc and containernetworking-plugins. */
const HOST_PROGRAMS = ["/usr/bin/containerd", "/usr/bin/ctr", "/usr/sbin/runc", "/usr/lib/cni/bridge"] as const;
/** 5 minutes on two quiet cores; it leaves them to what runs beside it. */
const BUILD_MS = 45 * 60_000;

/** What the cluster's programs are, each by its name in one folder. */
export interface ClusterBinaries {
  readonly folder: string;
}

export const clusterCache = (): string => join(testCache(), "cluster");

const folderOf = (cacheDir: string): string => join(cacheDir, `kubernetes-${KUBERNETES}-etcd-${ETCD}`);

/** Why there can be no cluster on this host; null where there can. */
export async function clusterAbsence(cacheDir: string): Promise<string | null> {
  const missing = HOST_PROGRAMS.find((program) => !existsSync(program));
  if (missing !== undefined) {
    return `there is no ${missing}: apt-get install containerd runc containernetworking-plugins`;
  }
  if (existsSync(folderOf(cacheDir))) return null;
  const go = await runCommand(["go", "version"]).catch(() => null);
  return go?.code === 0 ? null : "Kubernetes is built from its Go modules, and there is no Go";
}

/**
 * The programs of a cluster, from the cache, where they are built when they are not there: some minutes, 4 GiB of modules and objects in
 * `cacheDir/go`, which may be removed at any time. Other runs may do the same at the same time. `report` gets a line for each step.
 */
export async function obtainClusterBinaries(
  cacheDir: string,
  report: (line: string) => void = () => {},
): Promise<ClusterBinaries | Absence> {
  const absence = await clusterAbsence(cacheDir);
  if (absence !== null) return { absence };
  const folder = folderOf(cacheDir);
  if (existsSync(folder)) return { folder };
  await mkdir(join(cacheDir, "go"), { recursive: true });
  const staged = await mkdtemp(join(cacheDir, "new-"));
  try {
    const build = { env: buildEnvironment(cacheDir), staged, report };
    await buildEtcd(build);
    await buildKubernetes(build);
    await rename(join(staged, "bin"), folder).catch((error: unknown) => {
      // Another run was faster.
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
  return { folder };
}

interface Build {
  readonly env: Readonly<Record<string, string>>;
  /** `bin` in it takes the programs. */
  readonly staged: string;
  readonly report: (line: string) => void;
}

function buildEnvironment(cacheDir: string): Readonly<Record<string, string>> {
  const kept = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    ...Object.fromEntries(kept),
    GOMODCACHE: join(cacheDir, "go/mod"),
    GOCACHE: join(cacheDir, "go/build"),
    // Modules are resolved while they are built, so that no list of theirs has to be kept here; the checksum database has their hashes.
    GOFLAGS: "-mod=mod -modcacherw",
    GOTOOLCHAIN: "local",
    CGO_ENABLED: "0",
  };
}

async function buildEtcd(build: Build): Promise<void> {
  const module = join(build.staged, "etcd");
  await mkdir(module);
  // `go install` refuses its replace lines.
  await writeModule(module, [`require go.etcd.io/etcd/server/v3 v${ETCD}`]);
  build.report(`building etcd ${ETCD}`);
  await run(build, module, [
    "go",
    "build",
    "-trimpath",
    "-ldflags",
    "-s -w",
    "-o",
    "../bin/etcd",
    "go.etcd.io/etcd/server/v3",
  ]);
}

async function buildKubernetes(build: Build): Promise<void> {
  const module = join(build.staged, "kubernetes");
  await mkdir(module);
  build.report(`downloading Kubernetes ${KUBERNETES}`);
  const version = `v${KUBERNETES}`;
  const info = await run(build, module, ["go", "mod", "download", "-json", `k8s.io/kubernetes@${version}`]);
  const own = await readFile((JSON.parse(info) as { GoMod: string }).GoMod, "utf8");
  // Its own module names its staging modules without a version, as they lie beside it in its repository.
  const staging = [...own.matchAll(/^\t(k8s\.io\/[a-z-]+) v0\.0\.0$/gm)].map(([, path]) => path);
  const replaced = staging.map((path) => `replace ${path} => ${path} v0${KUBERNETES.slice(1)}`);
  await writeModule(module, [`require k8s.io/kubernetes ${version}`, ...replaced]);
  const named = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"];
  const [major, minor] = KUBERNETES.split(".");
  const flags = named.flatMap((path) => [
    `-X ${path}.gitVersion=${version}`,
    `-X ${path}.gitMajor=${major}`,
    `-X ${path}.gitMinor=${minor}`,
  ]);
  for (const program of KUBERNETES_PROGRAMS) {
    build.report(`building ${program} ${KUBERNETES}`);
    const ldflags = `-s -w ${flags.join(" ")}`;
    await run(build, module, [
      "go",
      "build",
      "-trimpath",
      "-ldflags",
      ldflags,
      "-o",
      "../bin/",
      `k8s.io/kubernetes/cmd/${program}`,
    ]);
  }
}

async function writeModule(folder: string, lines: readonly string[]): Promise<void> {
  // The language version and the defaults are those that both were released with.
  const head = ["module microterm.test/cluster", "go 1.24.0", "godebug default=go1.24"];
  await writeFile(join(folder, "go.mod"), `${[...head, ...lines].join("\n")}\n`);
}

async function run({ env }: Build, cwd: string, command: readonly string[]): Promise<string> {
  const result = await runCommand(["nice", "-n", "10", ...command], {
    cwd,
    env,
    signal: AbortSignal.timeout(BUILD_MS),
  });
  if (result.code !== 0) throw new Error(`${command.join(" ")}: ${result.stderr}`);
  return result.stdout;
}
