import type { Log, NamePolicy, NetworkProvider } from "@microterm/core";
import { type MachineId, type NetworkPolicy, PlatformError } from "@microterm/protocol";
import type { ClusterApi } from "../cluster/cluster-api.ts";
import type { Fence } from "../cluster/fence.ts";
import { nameOf, policySpecOf } from "../pods/pod-objects.ts";
import type { ClusterProof } from "../proof/proof-file.ts";
import { ClusterAddresses } from "./cluster-addresses.ts";
import { egressRulesOf } from "./egress-rules.ts";
import type { ServerAddresses } from "./server-addresses.ts";

export interface KubernetesNetworkOptions {
  readonly api: ClusterApi;
  readonly fence: Fence;
  readonly addresses: ServerAddresses;
  readonly allowPrivate: readonly string[];
  readonly proof: ClusterProof;
  readonly log: Log;
}

/**
 * The network that a cluster gives its pods. A pod's NetworkPolicy is made and removed with it, by the driver, so that there is nothing to attach;
 * what it says is enforced by the cluster's network plugin, some moments after it was changed.
 */
export function createKubernetesNetwork(options: KubernetesNetworkOptions): NetworkProvider {
  const { api, fence, addresses, allowPrivate, log, proof } = options;
  const own = new ClusterAddresses(api, log);
  const policies = new Map<MachineId, NetworkPolicy>();

  const namesOf = (machineId: MachineId): NamePolicy => ({
    // A list is of addresses alone, and knows no name.
    allows: () => policies.get(machineId)?.mode === "open",
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
      const egress = egressRulesOf(policy, { allowPrivate, own: await own.current() });
      await addresses.refresh();
      const reach = { serverAddresses: addresses.known, egress };
      await fence.changePolicy(machineId, policySpecOf(machineId, reach));
      policies.set(machineId, policy);
    },

    share: () => Promise.reject(new PlatformError("UNSUPPORTED", "pods of a cluster share no networks")),
    memberAddress: () => null,
    traffic: () => Promise.resolve({ traffic: null, connections: null }),
    denials: () => Promise.resolve([]),
    names: namesOf,
  };
}
