import { join } from "node:path";
import { runCommand } from "@microterm/host";

/** What a command in a cluster's network is told of it. */
export interface InCluster {
  readonly folder: string;
  /** With `kubectl` in it. */
  readonly programs: string;
  /** Of an account with a server's rights, and no others. */
  readonly kubeConfigFile: string;
  readonly adminKubeConfigFile: string;
  readonly image: string;
  readonly helm: string;
  readonly kwok: string;
}

/** What kubectl prints, as an admin. Rejects with what it complains of. */
export async function kubectl(...args: readonly string[]): Promise<string> {
  const cluster = inCluster();
  if (cluster === null) throw new Error("there is no cluster: support/cluster/run.ts starts one");
  const { code, stdout, stderr } = await runCommand([
    join(cluster.programs, "kubectl"),
    ...["--kubeconfig", cluster.adminKubeConfigFile],
    ...args,
  ]);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

/** Null: this process was not started by `run.ts`. */
export function inCluster(): InCluster | null {
  const text = process.env.MICROTERM_CLUSTER;
  return text === undefined ? null : (JSON.parse(text) as InCluster);
}
