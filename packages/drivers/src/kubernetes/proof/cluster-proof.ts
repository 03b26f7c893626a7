import { randomBytes } from "node:crypto";
import type { GuestAgent, Log, Machine, MachinePins } from "@microterm/core";
import { createKeyPair } from "@microterm/host";
import { MachineId, PlatformError } from "@microterm/protocol";
import type { ClusterApi } from "../cluster/cluster-api.ts";
import { connectTo, driveCluster } from "../kubernetes-driver.ts";
import { kernelOf } from "../pods/pod-kernel.ts";
import { nameOf, selectorOf } from "../pods/pod-objects.ts";
import type { PodPlace } from "../pods/pod-place.ts";
import { provePolicies } from "./policy-proof.ts";
import type { ClusterProof } from "./proof-file.ts";

/** As little as the agent and a shell need; fractions of a CPU are fine for both. */
const SIZE = { memoryMib: 256, cpus: 0.25 } as const;
const AGENT_MS = 20_000;
/** A node may have to pull the image first. */
const RUNNING_MS = 180_000;
/** A probe that was killed leaves its pods; none takes so long. */
const STALE_MS = 10 * 60_000;

const UNPROVEN: ClusterProof = {
  ...{ isEnforced: false, policyReason: "not looked at" },
  ...{ isVm: false, isolationReason: "not looked at" },
};

/**
 * Makes two pods, and looks whether one is kept from the other by its policies, and whether it has another kernel than its node. Nothing of them is
 * left. Rejects where that cannot be told now: with what a boot rejects with, or with `GUEST_UNREACHABLE` where pods' addresses are not
 * reached from here.
 */
export async function proveCluster(place: PodPlace, log: Log): Promise<ClusterProof> {
  // No server takes pods of this key for its own.
  const identity = createKeyPair("microterm probe");
  const api = await connectTo({ ...place, identity, log });
  const driver = driveCluster(api, {
    ...{ ...place, identity, log, pins: pinsInMemory(), allowPrivate: [] },
    ...{ proof: UNPROVEN, component: "probe", runningMs: RUNNING_MS },
  });
  const boot = (): Promise<Machine> => {
    const machineId = MachineId.parse(randomBytes(8).toString("hex"));
    return driver.boot({ machineId, ...SIZE, diskId: null, environmentId: null, network: null, limits: null });
  };
  const booted = await Promise.allSettled([boot(), boot()]);
  try {
    const [from, to] = booted;
    if (from.status === "rejected") throw from.reason;
    if (to.status === "rejected") throw to.reason;
    const agent = await greet(from.value);
    const node = (await api.getPod(nameOf(from.value.id)))?.spec?.nodeName ?? "";
    const bootIds = { pod: agent.hello.bootId, node: await api.nodeBootId(node) };
    const pods = { from: from.value.id, to: to.value.id };
    return { ...kernelOf(bootIds, place.runtimeClass), ...(await provePolicies(api, agent, pods)) };
  } finally {
    const machines = booted.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    await Promise.all([...machines.map((machine) => machine.stop()), removeStale(api)]).catch((error: unknown) => {
      log.warn("a pod that was a probe could not be removed; a later one removes it", { error: String(error) });
    });
    driver.close();
  }
}

function greet(machine: Machine): Promise<GuestAgent> {
  return machine.agent({ timeoutMs: AGENT_MS }).catch((cause: unknown) => {
    throw new PlatformError("GUEST_UNREACHABLE", "a pod that runs is not reached at its address from this host", {
      cause,
    });
  });
}

/** By the API server's clock. */
async function removeStale(api: ClusterApi): Promise<void> {
  const pods = await api.listPodsOf(selectorOf("probe"));
  const madeAt = (pod: (typeof pods)[number]): number => pod.metadata?.creationTimestamp?.getTime() ?? 0;
  const newest = Math.max(0, ...pods.map(madeAt));
  for (const pod of pods) if (newest - madeAt(pod) > STALE_MS) await api.deletePod(pod.metadata?.name ?? "", pod, 0);
}

/** No other process finds them. */
function pinsInMemory(): MachinePins {
  const pins = new Map<MachineId, string>();
  return {
    set: async (id, fingerprint) => void pins.set(id, fingerprint),
    get: async (id) => pins.get(id) ?? null,
    list: async () => [...pins.keys()],
    remove: async (id) => void pins.delete(id),
  };
}
