import { readdirSync, readFileSync } from "node:fs";
import { inCluster } from "./in-cluster.ts";

/** Has a program of the cluster stand still: without kube-router nobody holds pods to their policies that are made meanwhile. */
export async function whilePaused(program: "kube-router" | "kubelet", run: () => Promise<void>): Promise<void> {
  const pid = pidOf(program);
  process.kill(pid, "SIGSTOP");
  try {
    await run();
  } finally {
    process.kill(pid, "SIGCONT");
  }
}

/** Of this process's cluster. */
function pidOf(name: string): number {
  const folder = inCluster()?.folder;
  const found = readdirSync("/proc").find((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    const [program = "", ...args] = commandOf(pid);
    return program.endsWith(`/${name}`) && args.includes(`${folder}/kubeconfig`);
  });
  if (found === undefined) throw new Error(`there is no ${name} of this cluster`);
  return Number(found);
}

function commandOf(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    // It has ended.
    return [];
  }
}
