import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import type { Absence } from "../firecracker-binaries.ts";
import { testCache } from "../test-image.ts";

/** Kubernetes is built from its Go modules: no package has an API server. Its staging modules have 0 in place of 1. */
const KUBERNETES = "1.34.4";
const ETCD = "3.6.16";
/** Enforces network policies, by iptables and ipset, also between pods of one bridge. */
const KUBE_ROUTER = "2.1.0";
const HELM = "3.18.6";
/** Plays nodes that run nothing: more of them than a host has room for. */
const KWOK = "0.8.0";
const KUBERNETES_PROGRAMS = [
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kubelet",
  "kubectl",
] as const;
/** Of Debian, each with its package. */
const HOST_PROGRAMS = {
  "/usr/bin/containerd": "containerd",
  "/usr/sbin/runc": "runc",
  "/usr/lib/cni/bridge": "containernetworking-plugins",
  "/usr/sbin/iptables": "iptables",
  "/usr/sbin/ipset": "ipset",
  "/usr/bin/openssl": "openssl",
} as const;
/** 13 minutes of all programs together on two quiet cores, which are left to what runs beside. */
const BUILD_MS = 45 * 60_000;

export interface ClusterBinaries {
  /** Of Kubernetes and etcd, each by its name. */
  readonly folder: string;
  readonly kubeRouter: string;
  readonly helm: string;
  readonly kwok: string;
}

/** What is built, each into a folder of its name and version in the cache. */
const BUILT = {
  kubernetes: {
    folder: `kubernetes-${KUBERNETES}-etcd-${ETCD}`,
    make: async (build: Build) => {
      await buildEtcd(build);
      await buildKubernetes(build);
    },
  },
  kubeRouter: { folder: `kube-router-${KUBE_ROUTER}`, make: buildKubeRouter },
  helm: { folder: `helm-${HELM}`, make: buildHelm },
  kwok: { folder: `kwok-${KWOK}`, make: buildKwok },
} as const;

export const clusterCache = (): string => join(testCache(), "cluster");

/** Why there can be no cluster on this host; null where there can. */
export async function clusterAbsence(cacheDir: string): Promise<string | null> {
  const missing = Object.entries(HOST_PROGRAMS).filter(([program]) => !existsSync(program));
  if (missing.length > 0) {
    const packages = missing.map(([, name]) => name).join(" ");
    return `there is no ${missing[0]?.[0]}: apt-get install ${packages}`;
  }
  if (Object.values(BUILT).every(({ folder }) => existsSync(join(cacheDir, folder)))) return null;
  const go = await runCommand(["go", "version"]).catch(() => null);
  return go?.code === 0 ? null : "Kubernetes is built from its Go modules, and there is no Go";
}

/**
 * The programs of a cluster, from the cache, where they are built when they are not there: some minutes, 5 GiB of modules and objects in
 * `cacheDir/go`, which may be removed at any time. Other runs may do the same at the same time. `report` gets a line for each step.
 */
export async function obtainClusterBinaries(
  cacheDir: string,
  report: (line: string) => void = () => {},
): Promise<ClusterBinaries | Absence> {
  const absence = await clusterAbsence(cacheDir);
  if (absence !== null) return { absence };
  await mkdir(join(cacheDir, "go"), { recursive: true });
  const obtain = async ({ folder, make }: (typeof BUILT)[keyof typeof BUILT]): Promise<string> => {
    const path = join(cacheDir, folder);
    if (existsSync(path)) return path;
    const staged = await mkdtemp(join(cacheDir, "new-"));
    try {
      await make({ env: buildEnvironment(cacheDir), staged, report });
      await rename(join(staged, "bin"), path).catch((error: unknown) => {
        // Another run was faster.
        if (!existsSync(path)) throw error;
      });
    } finally {
      await rm(staged, { recursive: true, force: true });
    }
    return path;
  };
  const folder = await obtain(BUILT.kubernetes);
  const kubeRouter = join(await obtain(BUILT.kubeRouter), "kube-router");
  const helm = join(await obtain(BUILT.helm), "helm");
  return { folder, kubeRouter, helm, kwok: join(await obtain(BUILT.kwok), "kwok") };
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
  // `go install` refuses its replace lines.
  await buildModule(build, { module: "go.etcd.io/etcd/server/v3", version: ETCD, program: "etcd" });
}

async function buildKubeRouter(build: Build): Promise<void> {
  const module = "github.com/cloudnativelabs/kube-router/v2";
  await buildModule(build, { module, version: KUBE_ROUTER, program: "kube-router", at: "/cmd/kube-router" });
}

async function buildHelm(build: Build): Promise<void> {
  await buildModule(build, { module: "helm.sh/helm/v3", version: HELM, program: "helm", at: "/cmd/helm" });
}

async function buildKwok(build: Build): Promise<void> {
  await buildModule(build, { module: "sigs.k8s.io/kwok", version: KWOK, program: "kwok", at: "/cmd/kwok" });
}

interface Module {
  readonly module: string;
  readonly version: string;
  readonly program: string;
  /** Where its program is in the module; its root otherwise. */
  readonly at?: string;
}

/** One program of a module whose own replace lines need not be followed. */
async function buildModule(build: Build, { module, version, program, at = "" }: Module): Promise<void> {
  const folder = join(build.staged, program);
  await mkdir(folder);
  await writeModule(folder, [`require ${module} v${version}`]);
  build.report(`building ${program} ${version}`);
  const output = ["-o", `../bin/${program}`, `${module}${at}`];
  await run(build, folder, ["go", "build", "-trimpath", "-ldflags", "-s -w", ...output]);
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
