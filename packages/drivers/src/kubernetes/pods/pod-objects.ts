import { isIPv6 } from "node:net";
import type {
  V1NetworkPolicy,
  V1NetworkPolicyEgressRule,
  V1NetworkPolicySpec,
  V1OwnerReference,
  V1Pod,
  V1ResourceRequirements,
  V1Secret,
} from "@kubernetes/client-node";
import type { MachineSpec } from "@microterm/core";
import { fingerprintOf, type KeyPair } from "@microterm/host";
import type { MachineId } from "@microterm/protocol";
import { claimNameOf, HOMES } from "../volumes/claim-objects.ts";
import { EPOCH, LABELS } from "./labels.ts";

export const AGENT_PORT = 7070;
export const GATE = "microterm.dev/keys";
/** What a server's pods bear: they may come in. */
const SERVER_LABELS = { "app.kubernetes.io/name": "microterm", "app.kubernetes.io/component": "server" };

const AGENT = "/run/microterm/agent";
const KEYS = "/run/microterm/keys";
const SECRET = "/run/microterm/secret";
/** Where the agent answers for names; its own (`rust/agent/src/guest/pod.rs`). */
const NAMES_ADDRESS = "127.0.0.53";
/** A drained node's programs may take so long to end. A removal is faster: it kills. */
const GRACE_SECONDS = 10;

export interface PodSettings {
  /** `probe`: of `cluster-proof.ts`, and nobody's environment. */
  readonly component: "environment" | "probe";
  /** Tells this installation's pods from another's in the same namespace. */
  readonly installation: string;
  readonly image: string;
  /** Null: the cluster's own runtime. */
  readonly runtimeClass: string | null;
  /** How much more CPU time a pod may use than it asks for. */
  readonly cpuOvercommit: number;
  /** Programs may become root: only where a pod is a machine of its own. */
  readonly allowsPrivileges: boolean;
}

/** Of a machine's pod, secret and policy alike. */
export const nameOf = (machineId: MachineId): string => `mt-${machineId}`;

/** Waits at its gate until its secret and its policy are there, so that it never runs without either. */
export function podOf(spec: MachineSpec, settings: PodSettings): V1Pod {
  const name = nameOf(spec.machineId);
  const resources = resourcesOf(spec, settings);
  const security = { allowPrivilegeEscalation: settings.allowsPrivileges };
  const keys = { name: "keys", mountPath: KEYS };
  const claim = spec.diskId === null ? null : claimNameOf(settings.installation, spec.diskId);
  const homes = claim === null ? [] : [{ name: "homes", mountPath: HOMES }];
  return {
    metadata: {
      name,
      labels: {
        ...labelsOf(spec.machineId, settings),
        ...(spec.environmentId === null ? {} : { [LABELS.environment]: spec.environmentId }),
      },
    },
    spec: {
      ...(settings.runtimeClass === null ? {} : { runtimeClassName: settings.runtimeClass }),
      schedulingGates: [{ name: GATE }],
      restartPolicy: "Never",
      terminationGracePeriodSeconds: GRACE_SECONDS,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      hostname: "microterm",
      // Names go over the channel.
      dnsPolicy: "None",
      dnsConfig: { nameservers: [NAMES_ADDRESS] },
      securityContext: {
        seccompProfile: { type: "RuntimeDefault" },
        sysctls: [
          { name: "net.ipv4.ip_unprivileged_port_start", value: "0" },
          { name: "net.ipv4.ping_group_range", value: "0 2147483647" },
        ],
      },
      // The secret is mounted here alone, and has gone when a tenant's program runs.
      initContainers: [
        {
          name: "keys",
          image: settings.image,
          command: ["sh", "-c", claim === null ? takeKeys : `${openHomes} && ${takeKeys}`],
          securityContext: { allowPrivilegeEscalation: false },
          resources,
          volumeMounts: [{ name: "secret", mountPath: SECRET, readOnly: true }, keys, ...homes],
        },
      ],
      containers: [
        {
          name: "environment",
          image: settings.image,
          command: [AGENT, "--pod", String(AGENT_PORT), KEYS],
          ports: [{ name: "agent", containerPort: AGENT_PORT, protocol: "TCP" }],
          securityContext: security,
          resources,
          volumeMounts: [keys, ...homes],
        },
      ],
      volumes: [
        { name: "keys", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
        // Optional: without it, a node would complain for ever of a secret that was deleted as it should be, and keep its copy.
        { name: "secret", secret: { secretName: name, optional: true, defaultMode: 0o400 } },
        ...(claim === null ? [] : [{ name: "homes", persistentVolumeClaim: { claimName: claim } }]),
      ],
    },
  };
}

/** A node's copy of a secret may be a moment behind its pod. */
const takeKeys = `until [ -e ${SECRET}/client ]; do sleep 0.1; done; cp ${SECRET}/key ${SECRET}/certificate ${SECRET}/client ${KEYS}/`;

/** A new volume may be closed to all but root. The agent makes the home in it. */
const openHomes = `chmod 0755 ${HOMES}`;

/** What the agent proves itself with, and the fingerprint of whom it believes. Goes with its pod. */
export function secretOf(pod: V1Pod, keys: KeyPair, client: Uint8Array): V1Secret {
  return {
    metadata: ownedBy(pod),
    immutable: true,
    type: "microterm.dev/agent",
    data: {
      key: keys.key.toString("base64"),
      certificate: keys.certificate.toString("base64"),
      client: Buffer.from(fingerprintOf(client), "hex").toString("base64"),
    },
  };
}

export interface Reach {
  /** Of servers that are no pods of the cluster's. */
  readonly serverAddresses: readonly string[];
  readonly egress: readonly V1NetworkPolicyEgressRule[];
}

/** Servers come in to the agent, and what `egress` says goes out. Goes with its pod. */
export function policyOf(pod: V1Pod, machineId: MachineId, reach: Reach): V1NetworkPolicy {
  const epoch = pod.metadata?.annotations?.[EPOCH];
  const metadata = { ...ownedBy(pod), annotations: epoch === undefined ? {} : { [EPOCH]: epoch } };
  return { metadata, spec: policySpecOf(machineId, reach) };
}

export function policySpecOf(machineId: MachineId, { serverAddresses, egress }: Reach): V1NetworkPolicySpec {
  const servers = serverAddresses.map((address) => ({ ipBlock: { cidr: `${address}/${isIPv6(address) ? 128 : 32}` } }));
  return {
    podSelector: { matchLabels: { [LABELS.machine]: machineId } },
    policyTypes: ["Ingress", "Egress"],
    ingress: [
      {
        _from: [{ podSelector: { matchLabels: SERVER_LABELS } }, ...servers],
        ports: [{ protocol: "TCP", port: AGENT_PORT }],
      },
    ],
    egress: [...egress],
  };
}

/** Pods of one component of any installation in the namespace. */
export const selectorOf = (component: PodSettings["component"]): string =>
  `app.kubernetes.io/name=microterm,app.kubernetes.io/component=${component}`;

const labelsOf = (machineId: MachineId, { component, installation }: PodSettings) => ({
  "app.kubernetes.io/name": "microterm",
  "app.kubernetes.io/component": component,
  [LABELS.installation]: installation,
  [LABELS.machine]: machineId,
});

function ownedBy({ metadata }: V1Pod): NonNullable<V1Secret["metadata"]> {
  const { name = "", uid = "", labels = {} } = metadata ?? {};
  const owner: V1OwnerReference = { apiVersion: "v1", kind: "Pod", name, uid };
  return { name, labels, ownerReferences: [owner] };
}

/**
 * Requests that are the limits: what it was promised is there, and it is the last to be evicted. Where CPUs are promised several times, it asks for a
 * part of them; its memory stays its own.
 */
function resourcesOf(
  { memoryMib, cpus }: MachineSpec,
  { cpuOvercommit }: Pick<PodSettings, "cpuOvercommit">,
): V1ResourceRequirements {
  const limits = { memory: `${memoryMib}Mi`, cpu: String(cpus) };
  const cpu = cpuOvercommit === 1 ? limits.cpu : `${Math.ceil((cpus * 1000) / cpuOvercommit)}m`;
  return { requests: { ...limits, cpu }, limits };
}
