import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import { inCluster, kubectl } from "./in-cluster.ts";
import { whilePaused } from "./programs.ts";

/** Of pods on these nodes: all of them lead to the stand-in agent, in this network namespace. */
const PODS = "10.200.0.0/16";
const FIRST_ADDRESS = "10.200.0.1/16";
const LABEL = "microterm.test/fake";
const REAL_NODE = "node";

/** A pod runs as soon as it has a node, at an address of kwok's choice, and has gone as soon as it is deleted. */
const STAGES = `apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: { name: node }
spec:
  resourceRef: { apiGroup: v1, kind: Node }
  selector:
    matchExpressions:
      - { key: '.status.conditions.[] | select( .type == "Ready" ) | .status', operator: NotIn, values: ["True"] }
  next:
    statusTemplate: |
      conditions:
        - { type: Ready, status: "True", reason: KubeletReady, message: none, lastHeartbeatTime: {{ Now | Quote }}, lastTransitionTime: {{ Now | Quote }} }
      addresses: [{ type: InternalIP, address: {{ NodeIP | Quote }} }]
      allocatable: { cpu: 1k, memory: 1Ti, pods: 1k }
      capacity: { cpu: 1k, memory: 1Ti, pods: 1k }
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: { name: pod-runs }
spec:
  resourceRef: { apiGroup: v1, kind: Pod }
  selector:
    matchExpressions:
      - { key: '.metadata.deletionTimestamp', operator: DoesNotExist }
      - { key: '.status.phase', operator: In, values: ["Pending"] }
  next:
    statusTemplate: |
      {{ $now := Now | Quote }}
      {{ $address := PodIPWith .spec.nodeName false .metadata.uid .metadata.name .metadata.namespace }}
      phase: Running
      startTime: {{ $now }}
      podIP: {{ $address | Quote }}
      podIPs: [{ ip: {{ $address | Quote }} }]
      conditions:
        - { type: Initialized, status: "True", lastTransitionTime: {{ $now }} }
        - { type: ContainersReady, status: "True", lastTransitionTime: {{ $now }} }
        - { type: Ready, status: "True", lastTransitionTime: {{ $now }} }
      containerStatuses:
      {{ range .spec.containers }}
        - name: {{ .name | Quote }}
          image: {{ .image | Quote }}
          imageID: none
          ready: true
          started: true
          restartCount: 0
          state: { running: { startedAt: {{ $now }} } }
      {{ end }}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: { name: pod-goes }
spec:
  resourceRef: { apiGroup: v1, kind: Pod }
  selector:
    matchExpressions:
      - { key: '.metadata.deletionTimestamp', operator: Exists }
  next: { delete: true }
`;

/**
 * Has `count` nodes of kwok's take all pods that are made meanwhile, and run nothing. What enforces policies on the real node stands still: it would
 * read those of all pods, of which it has none. To be called once a server has proven the cluster, by pods that run.
 */
export async function withFakeNodes(count: number, run: () => Promise<void>): Promise<void> {
  const cluster = inCluster();
  if (cluster === null) throw new Error("there is no cluster: support/cluster/run.ts starts one");
  const [stages, nodes] = [join(cluster.folder, "stages.yaml"), join(cluster.folder, "fake-nodes.json")];
  await writeFile(stages, STAGES);
  await writeFile(nodes, JSON.stringify({ apiVersion: "v1", kind: "List", items: nodesOf(count) }));
  const route = ["local", PODS, "dev", "lo", "src", await ownAddress()];
  await ip("route", "add", ...route);
  let kwok: ChildProcess | undefined;
  try {
    await kubectl("cordon", REAL_NODE);
    await kubectl("create", "--filename", nodes);
    kwok = startKwok(cluster.kwok, cluster.adminKubeConfigFile, stages);
    await kubectl("wait", "--for=condition=Ready", "node", "--selector", LABEL, "--timeout=120s");
    await whilePaused("kube-router", run);
  } finally {
    await kubectl("delete", "node", "--selector", LABEL, "--ignore-not-found");
    await end(kwok);
    await kubectl("uncordon", REAL_NODE);
    await ip("route", "del", ...route);
    await Promise.all([stages, nodes].map((file) => rm(file)));
  }
}

function startKwok(program: string, kubeConfigFile: string, stages: string): ChildProcess {
  const options = ["--kubeconfig", kubeConfigFile, "--config", stages, "--cidr", FIRST_ADDRESS];
  // No lease: without one the cluster looks at a node's status alone, which kwok sets once.
  const args = [...options, "--manage-nodes-with-label-selector", `${LABEL}=true`, "--node-ip", "10.99.0.2"];
  // It ends with us, however we do.
  return spawn("setpriv", ["--pdeathsig", "KILL", "--", program, ...args], { stdio: "ignore" });
}

const nodesOf = (count: number) =>
  Array.from({ length: count }, (_, at) => ({
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: `fake-${at}`, labels: { [LABEL]: "true" } },
  }));

async function end(program: ChildProcess | undefined): Promise<void> {
  if (program === undefined || program.exitCode !== null) return;
  program.kill();
  await once(program, "exit");
}

/** The one by which this host is known to the cluster. */
async function ownAddress(): Promise<string> {
  const routes = JSON.parse(await ip("--json", "route", "get", "10.99.0.1")) as { readonly prefsrc: string }[];
  return routes[0]?.prefsrc ?? "";
}

async function ip(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(["ip", ...args]);
  if (code !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
  return stdout;
}
