import { readdirSync, readFileSync } from "node:fs";
import { inCluster } from "./in-cluster.ts";

type Program = "kube-apiserver" | "kube-router" | "kube-scheduler" | "kubelet";

/** Has a program of the cluster stand still: without kube-router nobody holds pods to their policies that are made meanwhile. */
export async function whilePaused(program: Program, run: () => Promise<void>): Promise<void> {
  const pid = pidOf(program);
  process.kill(pid, "SIGSTOP");
  try {
    await run();
  } finally {
    process.kill(pid, "SIGCONT");
  }
}

/** Ends a program of the cluster, which is then started again. */
export function killProgram(program: Program): void {
  process.kill(pidOf(program), "SIGKILL");
}

/** Of this process's cluster. */
function pidOf(name: string): number {
  const folder = inCluster()?.folder;
  const found = readdirSync("/proc").find((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    const [program = "", ...args] = commandOf(pid);
    return program.endsWith(`/${name}`) && args.some((arg) => arg.startsWith(`${folder}/`));
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
