import type { V1Pod } from "@kubernetes/client-node";
import type {
  Abortable,
  FoundMachine,
  Log,
  Machine,
  MachinePins,
  MachineSpec,
  NetworkProvider,
  Removed,
  VmCapabilities,
  VmDriver,
} from "@microterm/core";
import { createKeyPair, fingerprintOf, type KeyPair } from "@microterm/host";
import { MachineId, PlatformError } from "@microterm/protocol";
import { untold } from "./cluster/api-failure.ts";
import { ClusterApi } from "./cluster/cluster-api.ts";
import { Fence } from "./cluster/fence.ts";
import { RUNNING_MS, untilGone, untilRunning } from "./cluster/pod-waits.ts";
import { KubernetesMachine } from "./kubernetes-machine.ts";
import { createKubernetesNetwork } from "./network/kubernetes-network.ts";
import { ServerAddresses } from "./network/server-addresses.ts";
import { LABELS } from "./pods/labels.ts";
import { nameOf, type PodSettings, podOf, policyOf, policySpecOf, secretOf } from "./pods/pod-objects.ts";
import type { PodPlace } from "./pods/pod-place.ts";
import { endedByNode, endOf, isLeaving, isRunning } from "./pods/pod-state.ts";
import type { ClusterProof } from "./proof/proof-file.ts";
import { createClusterDisks, NO_DISKS } from "./volumes/cluster-disks.ts";

/** A removal kills: what should end in order was powered off before. With 0 the object would go before the containers have. */
const REMOVE_GRACE_SECONDS = 1;
const NO_POD: Omit<FoundMachine, "machineId"> = { alive: false, environmentId: null, hostRebooted: null };
/** None of this is there to be counted. */
const REMOVED: Removed = { processes: null, cgroups: null, sockets: null, files: null, uids: null };

export interface KubernetesDriverOptions extends PodPlace {
  /** Private ranges that guests may reach all the same, as their policies say. */
  readonly allowPrivate: readonly string[];
  /** What every server of this installation shows to agents. */
  readonly identity: KeyPair;
  readonly pins: MachinePins;
  readonly log: Log;
  /** For a pod to run; {@link RUNNING_MS} when absent. */
  readonly runningMs?: number;
}

export interface KubernetesDriver extends VmDriver {
  /** Of its pods, which cannot be apart from them. */
  readonly network: NetworkProvider;
  /** Stops following the cluster. Machines live on. */
  close(): void;
}

/**
 * Environments as pods of a cluster: it places, limits and heals them (docs/decisions/0045-pods-of-kubernetes.md). Memory is not
 * saved, so that they are stopped and never paused.
 */
export async function createKubernetesDriver(
  options: KubernetesDriverOptions & {
    /** What is known of pods in the cluster of this API server. */
    prove(server: string): Promise<ClusterProof>;
    /** Makes pods even where nothing holds them to their policies. */
    readonly allowsUnenforced: boolean;
  },
): Promise<KubernetesDriver> {
  const api = await connectTo(options);
  try {
    const proof = await options.prove(api.server);
    if (proof.isEnforced || options.allowsUnenforced) return driveCluster(api, { ...options, proof });
    throw new PlatformError(
      "UNSUPPORTED",
      `the cluster does not enforce network policies: ${proof.policyReason}. Install a network plugin that does, or, where environments may reach each other and all of the cluster: --insecure-no-network-policy`,
    );
  } catch (error) {
    api.close();
    throw error;
  }
}

/** Follows the pods of who has this key. */
export function connectTo(options: Pick<KubernetesDriverOptions, "kubeConfigFile" | "namespace" | "identity" | "log">) {
  const { kubeConfigFile, namespace, identity, log } = options;
  const selector = `${LABELS.installation}=${installationOf(identity)},${LABELS.machine}`;
  return ClusterApi.connect({ kubeConfigFile, namespace, selector, log });
}

/** Of the objects of who has this key. */
const installationOf = ({ certificate }: KeyPair): string => fingerprintOf(certificate).slice(0, 16);

/** A driver of the pods that `api` follows. */
export function driveCluster(
  api: ClusterApi,
  options: KubernetesDriverOptions & {
    readonly proof: ClusterProof;
    readonly component?: PodSettings["component"];
  },
): KubernetesDriver {
  const { namespace, identity, pins, log, proof } = options;
  const installation = installationOf(identity);
  const settings: PodSettings = {
    ...{ component: options.component ?? "environment", installation },
    image: options.image,
    runtimeClass: options.runtimeClass,
    cpuOvercommit: options.cpuOvercommit,
    allowsPrivileges: proof.isVm,
  };
  const addresses = new ServerAddresses(options.kubeConfigFile === null ? null : api.server);
  const fence = new Fence(api, identity.key);
  const { volumes } = options;
  const disks = volumes === null ? NO_DISKS : createClusterDisks(api, { installation, ...volumes });
  const network = createKubernetesNetwork({ api, fence, addresses, log, allowPrivate: options.allowPrivate, proof });
  /** Until more is allowed. */
  const nothing = () => ({ serverAddresses: addresses.known, egress: [] });

  const remove = async (machineId: MachineId): Promise<Removed> => {
    const name = nameOf(machineId);
    await fence.deletePod(machineId, REMOVE_GRACE_SECONDS);
    await api.deleteSecret(name);
    await untilGone(api, name);
    // A pod without one reaches everything.
    await api.deletePolicy(name);
    await pins.remove(machineId);
    return REMOVED;
  };

  const machineOf = (machineId: MachineId, pod: V1Pod, fingerprint: string, epoch = 0): Machine =>
    new KubernetesMachine({
      ...{ id: machineId, pod, fingerprint, identity, epoch, api },
      onConnected: () => {
        api.deleteSecret(nameOf(machineId)).catch((error: unknown) => {
          // It goes with its pod at the latest, and brings nothing to who has no pod of ours.
          log.warn("the secret of an agent could not be deleted", { machineId, error: String(error) });
        });
      },
      remove: () => remove(machineId),
    });

  const start = async (spec: MachineSpec, signal: AbortSignal | undefined): Promise<Machine> => {
    const { machineId } = spec;
    const keys = createKeyPair(machineId);
    const fingerprint = fingerprintOf(keys.certificate);
    await pins.set(machineId, fingerprint);
    await addresses.refresh();
    const gated = await api.createPod(fence.begin(spec, podOf(spec, settings)));
    signal?.throwIfAborted();
    await Promise.all([
      api.createSecret(secretOf(gated, keys, identity.certificate)),
      api.createPolicy(policyOf(gated, machineId, nothing())),
    ]);
    signal?.throwIfAborted();
    const name = nameOf(machineId);
    // Whoever took this server over while it stood still has removed what there was of its machine.
    if ((await pins.get(machineId)) === null) {
      throw new PlatformError("ENVIRONMENT_MOVED", "the machine was removed while it was made");
    }
    await api.openGate(name);
    const pod = await untilRunning(api, name, { timeoutMs: options.runningMs ?? RUNNING_MS, signal }).catch(
      async (failure: unknown) => Promise.reject(await disks.explain(spec.diskId, failure)),
    );
    if (await addresses.learn(pod.status?.podIP ?? ""))
      await fence.changePolicy(machineId, policySpecOf(machineId, nothing()));
    return machineOf(machineId, pod, fingerprint);
  };

  return {
    name: "kubernetes",
    network,
    host: `${api.server} ${namespace}`,
    capabilities: capabilitiesOf(proof, volumes !== null),

    async boot(spec, { signal }: Abortable = {}) {
      signal?.throwIfAborted();
      try {
        return await start(spec, signal);
      } catch (error) {
        await remove(spec.machineId).catch((failed: unknown) => {
          // It is in `list`, or nothing of it is.
          log.warn("a pod that was not to be kept could not be removed", {
            machineId: spec.machineId,
            error: String(failed),
          });
        });
        throw error;
      }
    },

    // One of which only the pin was written is not alive, and is there to be removed. Pins are asked for first: none is then of a pod that was made meanwhile.
    async list(only) {
      if (only !== undefined)
        return (await api.listPodsOfEnvironment(only.environment)).flatMap((pod) => foundMachine(pod, fence));
      const pinned = await pins.list();
      const found = (await api.listPods()).flatMap((pod) => foundMachine(pod, fence));
      const withPod = new Set(found.map(({ machineId }) => machineId));
      const podless = pinned.filter((machineId) => !withPod.has(machineId));
      return [...found, ...podless.map((machineId) => ({ ...NO_POD, machineId }))];
    },

    async adopt(machineId, { signal, epoch = 0 } = {}) {
      signal?.throwIfAborted();
      const refused = (error: unknown) => Promise.reject(untold(error));
      const [pod, fingerprint] = await Promise.all([api.getPod(nameOf(machineId)).catch(refused), pins.get(machineId)]);
      if (pod === null || fingerprint === null || !isAdoptable(pod)) {
        throw new PlatformError("MACHINE_BOOT_FAILED", `machine ${machineId} is not alive`);
      }
      await fence.take(machineId, epoch).catch(refused);
      // Its policy lets in the server that it had before.
      await addresses.learn(pod.status?.podIP ?? "");
      return machineOf(machineId, pod, fingerprint, epoch);
    },

    remove,
    createDisk: disks.createDisk,
    removeDisk: disks.removeDisk,
    listDisks: disks.listDisks,

    // Secrets may be created and deleted, and not listed: they go with their pods.
    async leftovers(ids) {
      const names = ids.flatMap((id) => (MachineId.safeParse(id).success ? nameOf(MachineId.parse(id)) : []));
      // One by one: a list of all grows with the fleet.
      const found = names.map(async (name) => {
        const [pod, policy] = await Promise.all([api.getPod(name), api.getPolicy(name)]);
        return [...(pod === null ? [] : [`pod ${name}`]), ...(policy === null ? [] : [`networkpolicy ${name}`])];
      });
      return [...(await Promise.all(found)).flat(), ...(await disks.leftovers(ids))];
    },

    async resources() {
      const { problem } = api.pods;
      if (problem === null) return { memory: null, disk: null, cpus: null };
      throw new PlatformError("HOST_DAEMON_UNAVAILABLE", `the cluster at ${api.server} is not followed: ${problem}`);
    },
    usage: () => Promise.resolve(null),
    limit: () => Promise.reject(new PlatformError("UNSUPPORTED", "what a pod may use is fixed when it is made")),
    images: null,
    snapshots: null,
    close() {
      network.close();
      api.close();
    },
  };
}

const capabilitiesOf = ({ isVm, isolationReason }: ClusterProof, supportsDisk: boolean): VmCapabilities => ({
  accelerator: null,
  acceleratorReason: isolationReason,
  isolation: isVm ? "vm" : "container",
  supportsDisk,
  supportsPowerOff: true,
  supportsConsole: true,
  supportsLimits: false,
  bootsAhead: true,
  networkLinks: ["managed"],
  overheadMib: () => 0,
});

/** One that powered itself off is as well, for who wants to know how it ended. */
const isAdoptable = (pod: V1Pod): boolean => !isLeaving(pod) && (isRunning(pod) || endOf(pod)?.kind === "powered-off");

/** Nothing for a pod that bears our labels and no machine's id: it is not ours. */
function foundMachine(pod: V1Pod, fence: Fence): FoundMachine[] {
  const labels = pod.metadata?.labels ?? {};
  const machineId = MachineId.safeParse(labels[LABELS.machine]);
  if (!machineId.success || pod.metadata?.name !== nameOf(machineId.data)) return [];
  const environmentId = fence.environmentOf(machineId.data, pod);
  return [
    {
      machineId: machineId.data,
      alive: !isLeaving(pod) && isRunning(pod),
      environmentId,
      hostRebooted: endedByNode(pod) ? true : null,
    },
  ];
}
