import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { runCommand } from "@microterm/host";
import type { ClusterBinaries } from "./binaries.ts";
import { ADDRESSES, PAUSE_IMAGE, writeClusterFiles } from "./files.ts";
import { writePauseImage } from "./pause-image.ts";

const READY_MS = 180_000;

/** A real cluster of one node, in namespaces of its own. Nothing that is sent there leaves them. */
export interface Cluster {
  readonly folder: string;
  /** Of an admin. Its server is reached in the cluster's networks alone. */
  readonly kubeconfig: string;
  /**
   * The command that runs another on a host outside of the cluster, from which pods are reached as policies let it in: those never stop
   * their own node. It has our files and processes.
   */
  inside(command: readonly string[]): readonly string[];
  kubectl(...args: readonly string[]): Promise<string>;
  /** `ctr` of its containerd. */
  ctr(...args: readonly string[]): Promise<string>;
  /** Ends it; nothing is left then. */
  close(): Promise<void>;
}

/** Needs root. `report` gets a line for each step. */
export async function startCluster(binaries: ClusterBinaries, report: (line: string) => void): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), "mt-cluster-"));
  const cgroup = `microterm-${basename(folder).slice("mt-".length)}`;
  await writeClusterFiles(folder, cgroup);
  // Of a session of its own: what ends a whole run by Ctrl-C leaves it to clean up.
  const program = join(import.meta.dirname, "keep.sh");
  const keeper = spawn("sh", [program, folder, binaries.folder, binaries.kubeRouter, cgroup], {
    cwd: "/",
    stdio: ["pipe", "pipe", "inherit"],
    detached: true,
    env: { ...process.env, ...ADDRESSES },
  });
  const close = () => end(keeper);
  try {
    const init = await firstLine(keeper);
    const inside = (command: readonly string[]) => [
      ...["nsenter", `--net=/proc/${init}/root/run/netns/outside`, "--"],
      ...command,
    ];
    const kubeconfig = join(folder, "kubeconfig");
    const run = async (command: readonly string[]): Promise<string> => {
      const { code, stdout, stderr } = await runCommand(command);
      if (code !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
      return stdout;
    };
    const kubectl = (...args: readonly string[]) =>
      run(inside([join(binaries.folder, "kubectl"), "--kubeconfig", kubeconfig, ...args]));
    const ctr = (...args: readonly string[]) =>
      run(["ctr", "--address", join(folder, "containerd.sock"), "--namespace", "k8s.io", ...args]);
    const cluster = { folder, kubeconfig, inside, kubectl, ctr, close };
    await becomeReady(cluster, report);
    const rules = ["nsenter", "--target", init, "--net", "--", "iptables", "--list-rules", "KUBE-ROUTER-FORWARD"];
    await until(Date.now() + READY_MS, () => run(rules));
    report("policies are enforced");
    return cluster;
  } catch (error) {
    const log = await readFile(join(folder, "init.log"), "utf8").catch(() => "");
    await close();
    throw new Error(`the cluster did not start: ${String(error)}\n${log}`, { cause: error });
  }
}

/** Volumes are folders of the node, which the controller manager makes and removes: with one node that is all of a provisioner. */
const CLASSES = [
  { apiVersion: "node.k8s.io/v1", kind: "RuntimeClass", metadata: { name: "kata" }, handler: "kata" },
  {
    ...{ apiVersion: "storage.k8s.io/v1", kind: "StorageClass", provisioner: "kubernetes.io/host-path" },
    metadata: { name: "folders", annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
    volumeBindingMode: "WaitForFirstConsumer",
  },
];

async function becomeReady({ kubectl, ctr, folder }: Cluster, report: (line: string) => void): Promise<void> {
  const deadline = Date.now() + READY_MS;
  const step = async (name: string, attempt: () => Promise<unknown>) => {
    await until(deadline, attempt);
    report(name);
  };
  const pause = join(folder, "pause.tar");
  await writePauseImage(pause, PAUSE_IMAGE);
  await step("containerd answers", () => ctr("images", "import", pause));
  await step("the API server is ready", () => kubectl("get", "--raw", "/readyz"));
  await step("the node is ready", () => kubectl("wait", "--for=condition=Ready", "node/node", "--timeout=5s"));
  await step("accounts are there", () => kubectl("get", "serviceaccount", "default"));
  const file = join(folder, "classes.json");
  await writeFile(file, JSON.stringify({ apiVersion: "v1", kind: "List", items: CLASSES }));
  await step("there are a RuntimeClass and a StorageClass", () => kubectl("apply", "-f", file));
}

async function until(deadline: number, attempt: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function firstLine(keeper: ChildProcess): Promise<string> {
  if (keeper.stdout === null) throw new Error("it has no output");
  for await (const line of createInterface(keeper.stdout)) if (/^\d+$/.test(line)) return line;
  throw new Error("its namespaces could not be made");
}

async function end(keeper: ChildProcess): Promise<void> {
  if (keeper.exitCode !== null || keeper.signalCode !== null) return;
  keeper.stdin?.end();
  await once(keeper, "exit");
}
