import type { Log, NamePolicy, NetworkProvider } from "@microterm/core";
import { type MachineId, type NetworkPolicy, PlatformError } from "@microterm/protocol";
import type { ClusterApi } from "../cluster/cluster-api.ts";
import { nameOf, policySpecOf } from "../pods/pod-objects.ts";
import type { ClusterProof } from "../proof/proof-file.ts";
import { ClusterAddresses, KNOWN_MS } from "./cluster-addresses.ts";
import { egressRulesOf } from "./egress-rules.ts";
import type { ServerAddresses } from "./server-addresses.ts";

export interface KubernetesNetworkOptions {
  readonly api: ClusterApi;
  readonly addresses: ServerAddresses;
  readonly allowPrivate: readonly string[];
  readonly proof: ClusterProof;
  readonly log: Log;
}

export interface KubernetesNetwork extends NetworkProvider {
  /** Policies are as they are then. */
  close(): void;
}

/** What a pod's policy was last set to by this server. */
interface Applied {
  readonly policy: NetworkPolicy;
  /** The cluster's own addresses that it excepts. */
  readonly own: readonly string[];
  /** Of its NetworkPolicy. */
  readonly version: string;
}

/**
 * The network that a cluster gives its pods. A pod's NetworkPolicy is made and removed with it, by the driver, so that there is nothing to attach;
 * what it says is enforced by the cluster's network plugin, some moments after it was changed.
 */
export function createKubernetesNetwork(options: KubernetesNetworkOptions): KubernetesNetwork {
  const { api, addresses, allowPrivate, log, proof } = options;
  const own = new ClusterAddresses(api, log);
  const policies = new Map<MachineId, Applied>();

  const apply = async (
    machineId: MachineId,
    policy: NetworkPolicy,
    { except, ifVersion }: { readonly except: readonly string[]; readonly ifVersion?: string },
  ): Promise<Applied | null> => {
    const egress = egressRulesOf(policy, { allowPrivate, own: except });
    await addresses.refresh();
    const spec = policySpecOf(machineId, { serverAddresses: addresses.known, egress });
    const version = await api.changePolicy(nameOf(machineId), spec, ifVersion);
    return version === null ? null : { policy, own: except, version };
  };

  /** Has policies of before except the cluster's addresses of now. One that somebody else has set meanwhile, another server, is left as it is. */
  async function follow(): Promise<void> {
    if (policies.size === 0) return;
    const except = await own.look();
    for (const [machineId, before] of policies) {
      if (before.policy.mode === "none" || before.own.join() === except.join()) continue;
      const after = await apply(machineId, before.policy, { except, ifVersion: before.version });
      if (policies.get(machineId) === before) policies.set(machineId, after ?? { ...before, own: except });
    }
  }

  const following = setInterval(() => {
    follow().catch((error: unknown) => {
      log.warn("network policies may not except all of the cluster's addresses; that is tried again", {
        error: String(error),
      });
    });
  }, KNOWN_MS);
  following.unref();

  const namesOf = (machineId: MachineId): NamePolicy => ({
    // A list is of addresses alone, and knows no name.
    allows: () => policies.get(machineId)?.policy.mode === "open",
    admit: () => Promise.resolve(),
    isOwn: (address) => own.has(address),
  });

  return {
    name: "kubernetes",
    capabilities: {
      supportsOutbound: true,
      policies: ["none", "open", "allowlist"],
      supportsDomainPolicy: false,
      supportsSharedNetworks: false,
      isEnforced: proof.isEnforced,
    },

    attach: (machineId) =>
      Promise.resolve({
        ...{ machineId, reach: "outbound" },
        link: { kind: "managed", handle: nameOf(machineId) },
        interface: null,
      }),

    detach(machineId) {
      policies.delete(machineId);
      return Promise.resolve({ namespaces: null, links: null, flows: null });
    },

    list: () => Promise.resolve([]),

    async setPolicy(machineId, policy) {
      const applied = await apply(machineId, policy, { except: await own.current() });
      if (applied !== null) policies.set(machineId, applied);
    },

    share: () => Promise.reject(new PlatformError("UNSUPPORTED", "pods of a cluster share no networks")),
    memberAddress: () => null,
    traffic: () => Promise.resolve({ traffic: null, connections: null }),
    denials: () => Promise.resolve([]),
    names: namesOf,
    close: () => clearInterval(following),
  };
}
