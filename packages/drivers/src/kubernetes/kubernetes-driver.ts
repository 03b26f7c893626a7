import type { V1Pod } from "@kubernetes/client-node";
import type {
  Abortable,
  FoundMachine,
  Log,
  Machine,
  MachinePins,
  MachineSpec,
  Removed,
  VmCapabilities,
  VmDriver,
} from "@microterm/core";
import { createKeyPair, fingerprintOf, type KeyPair } from "@microterm/host";
import { MachineId, PlatformError } from "@microterm/protocol";
import { ClusterApi } from "./cluster-api.ts";
import { KubernetesMachine } from "./kubernetes-machine.ts";
import { LABELS, nameOf, type PodSettings, podOf, policyOf, secretOf } from "./pod-objects.ts";
import { endedByNode, endOf, isLeaving, isRunning } from "./pod-state.ts";
import { untilGone, untilRunning } from "./pod-waits.ts";

/** A removal kills: what should end in order was powered off before. With 0 the object would go before the containers have. */
const REMOVE_GRACE_SECONDS = 1;
const NO_POD: Omit<FoundMachine, "machineId"> = { alive: false, environmentId: null, hostRebooted: null };
/** None of this is there to be counted. */
const REMOVED: Removed = { processes: null, cgroups: null, sockets: null, files: null, uids: null };

export interface KubernetesDriverOptions {
  /** Null: the server is a pod itself. */
  readonly kubeConfigFile: string | null;
  readonly namespace: string;
  readonly image: string;
  readonly runtimeClass: string | null;
  /** What every server of this installation shows to agents. */
  readonly identity: KeyPair;
  readonly pins: MachinePins;
  readonly log: Log;
}

export interface KubernetesDriver extends VmDriver {
  /** Stops following the cluster. Machines live on. */
  close(): void;
}

/**
 * Environments as pods of a cluster: it places, limits and heals them (docs/decisions/0045-pods-of-kubernetes.md). Memory is not
 * saved, so that they are stopped and never paused.
 */
export async function createKubernetesDriver(options: KubernetesDriverOptions): Promise<KubernetesDriver> {
  const { namespace, identity, pins, log } = options;
  const settings: PodSettings = {
    installation: fingerprintOf(identity.certificate).slice(0, 16),
    image: options.image,
    runtimeClass: options.runtimeClass,
    allowsPrivileges: false,
  };
  const selector = `${LABELS.installation}=${settings.installation},${LABELS.machine}`;
  const api = await ClusterApi.connect({ kubeConfigFile: options.kubeConfigFile, namespace, selector, log });

  const remove = async (machineId: MachineId): Promise<Removed> => {
    const name = nameOf(machineId);
    await Promise.all([api.deletePod(name, REMOVE_GRACE_SECONDS), api.deleteSecret(name), api.deletePolicy(name)]);
    await untilGone(api, name);
    await pins.remove(machineId);
    return REMOVED;
  };

  const machineOf = (machineId: MachineId, pod: V1Pod, fingerprint: string): Machine =>
    new KubernetesMachine({
      ...{ id: machineId, pod, fingerprint, identity, api },
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
    const gated = await api.createPod(podOf(spec, settings));
    signal?.throwIfAborted();
    await Promise.all([
      api.createSecret(secretOf(gated, keys, identity.certificate)),
      api.createPolicy(policyOf(gated, machineId)),
    ]);
    signal?.throwIfAborted();
    await api.openGate(nameOf(machineId));
    return machineOf(machineId, await untilRunning(api, nameOf(machineId), signal), fingerprint);
  };

  return {
    name: "kubernetes",
    host: `${api.server} ${namespace}`,
    capabilities: CAPABILITIES,

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
    async list() {
      const pinned = await pins.list();
      const found = (await api.listPods()).flatMap(foundMachine);
      const withPod = new Set(found.map(({ machineId }) => machineId));
      const podless = pinned.filter((machineId) => !withPod.has(machineId));
      return [...found, ...podless.map((machineId) => ({ ...NO_POD, machineId }))];
    },

    async adopt(machineId, { signal } = {}) {
      signal?.throwIfAborted();
      const [pod, fingerprint] = await Promise.all([api.getPod(nameOf(machineId)), pins.get(machineId)]);
      if (pod === null || fingerprint === null || !isAdoptable(pod)) {
        throw new PlatformError("MACHINE_BOOT_FAILED", `machine ${machineId} is not alive`);
      }
      return machineOf(machineId, pod, fingerprint);
    },

    remove,
    createDisk: () => Promise.resolve(),
    removeDisk: () => Promise.resolve({ files: 0, bytes: 0 }),
    listDisks: () => Promise.resolve([]),

    // Secrets may be created and deleted, and not listed: they go with their pods.
    async leftovers(ids) {
      const [pods, policies] = await Promise.all([api.listPods(), api.listPolicies()]);
      const bears = ({ metadata }: Pick<V1Pod, "metadata">): boolean =>
        ids.some((id) => metadata?.name?.includes(id) === true);
      return [
        ...pods.filter(bears).map(({ metadata }) => `pod ${metadata?.name}`),
        ...policies.filter(bears).map(({ metadata }) => `networkpolicy ${metadata?.name}`),
      ];
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
    close: () => api.close(),
  };
}

const CAPABILITIES: VmCapabilities = {
  accelerator: null,
  acceleratorReason: "the cluster decides what a pod's code runs on",
  isolation: "container",
  supportsDisk: false,
  supportsPowerOff: true,
  supportsConsole: true,
  supportsLimits: false,
  bootsAhead: true,
  networkLinks: [],
  overheadMib: () => 0,
};

/** One that powered itself off is as well, for who wants to know how it ended. */
const isAdoptable = (pod: V1Pod): boolean => !isLeaving(pod) && (isRunning(pod) || endOf(pod)?.kind === "powered-off");

/** Nothing for a pod that bears our labels and no machine's id: it is not ours. */
function foundMachine(pod: V1Pod): FoundMachine[] {
  const labels = pod.metadata?.labels ?? {};
  const machineId = MachineId.safeParse(labels[LABELS.machine]);
  if (!machineId.success || pod.metadata?.name !== nameOf(machineId.data)) return [];
  const environmentId = labels[LABELS.environment] ?? null;
  return [
    {
      machineId: machineId.data,
      alive: !isLeaving(pod) && isRunning(pod),
      environmentId,
      hostRebooted: endedByNode(pod) ? true : null,
    },
  ];
}
