import { join } from "node:path";
import type { MachinePins } from "@microterm/core";
import type { VmDriverHarness } from "@microterm/core/testing";
import { createKubernetesDriver, type KubernetesDriver } from "@microterm/drivers";
import { createKeyPair, type KeyPair, runCommand } from "@microterm/host";
import type { MachineId } from "@microterm/protocol";
import { createQuietLog } from "../quiet-log.ts";
import { inCluster } from "./in-cluster.ts";

type KubernetesOptions = Parameters<typeof createKubernetesDriver>[0];

export interface KubernetesHarness extends VmDriverHarness {
  /** What its servers show to agents. */
  readonly identity: KeyPair;
  readonly pins: MachinePins;
  /** To the agent, which is its container's init. */
  signal(machineId: MachineId, name: "SIGSTOP" | "SIGCONT"): Promise<void>;
  makeDriver(over?: Partial<KubernetesOptions>): Promise<KubernetesDriver>;
}

/** Drivers of one installation, in the cluster that this process was started in. */
export function startKubernetesHarness(): KubernetesHarness {
  const cluster = inCluster();
  if (cluster === null) throw new Error("there is no cluster: support/cluster/run.ts starts one");
  const identity = createKeyPair("microterm");
  const pins = pinsInMemory();
  const drivers: KubernetesDriver[] = [];
  const signal = async (machineId: MachineId, name: "SIGKILL" | "SIGSTOP" | "SIGCONT"): Promise<void> => {
    const ctr = (...args: readonly string[]) =>
      runCommand(["ctr", "--address", join(cluster.folder, "containerd.sock"), "--namespace", "k8s.io", ...args]);
    const filter = `labels."io.kubernetes.pod.name"==mt-${machineId},labels."io.kubernetes.container.name"==environment`;
    const id = (await ctr("containers", "ls", "--quiet", filter)).stdout.trim();
    const { code, stderr } = await ctr("tasks", "kill", "--signal", name, id);
    if (code !== 0) throw new Error(`the container of ${machineId} could not be sent ${name}: ${stderr}`);
  };
  return {
    ...{ identity, pins },
    async makeDriver(over: Partial<KubernetesOptions> = {}) {
      const driver = await createKubernetesDriver({
        ...{ kubeConfigFile: cluster.kubeConfigFile, image: cluster.image, identity, pins },
        namespace: "default",
        runtimeClass: "kata",
        cpuOvercommit: 1,
        volumes: { storageClass: null },
        allowPrivate: [],
        allowsUnenforced: false,
        // Proven where a server is started.
        prove: async () => ({ isEnforced: true, policyReason: "said", isVm: false, isolationReason: "said" }),
        log: createQuietLog(),
        ...over,
      });
      drivers.push(driver);
      return driver;
    },
    killVmm: (machineId) => signal(machineId, "SIGKILL"),
    signal,
    bootMs: 60_000,
    memoryMib: 256,
    damageTemplate: () => Promise.reject(new Error("pods have no templates")),
    close: async () => {
      for (const driver of drivers) driver.close();
    },
  };
}

function pinsInMemory(): MachinePins {
  const pins = new Map<MachineId, string>();
  return {
    set: async (machineId, fingerprint) => {
      pins.set(machineId, fingerprint);
    },
    get: async (machineId) => pins.get(machineId) ?? null,
    list: async () => [...pins.keys()],
    remove: async (machineId) => {
      pins.delete(machineId);
    },
  };
}
