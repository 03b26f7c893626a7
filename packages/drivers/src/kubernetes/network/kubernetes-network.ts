import { type Log, type NamePolicy, type NetworkProvider, Turns } from "@microterm/core";
import { type MachineId, type NetworkPolicy, PlatformError } from "@microterm/protocol";
import type { ClusterApi } from "../cluster/cluster-api.ts";
import type { Fence } from "../cluster/fence.ts";
import { nameOf, policySpecOf } from "../pods/pod-objects.ts";
import type { ClusterProof } from "../proof/proof-file.ts";
import { ClusterAddresses, KNOWN_MS } from "./cluster-addresses.ts";
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

export interface KubernetesNetwork extends NetworkProvider {
  /** Policies are as they are then. */
  close(): void;
}

/** What a pod's policy was last set to by this server. */
interface Applied {
  readonly policy: NetworkPolicy;
  /** The cluster's own addresses that it excepts. */
  readonly own: readonly string[];
}

/**
 * The network that a cluster gives its pods. A pod's NetworkPolicy is made and removed with it, by the driver, so that there is nothing to attach;
 * what it says is enforced by the cluster's network plugin, some moments after it was changed.
 */
export function createKubernetesNetwork(options: KubernetesNetworkOptions): KubernetesNetwork {
  const { api, fence, addresses, allowPrivate, log, proof } = options;
  const own = new ClusterAddresses(api, log);
  const policies = new Map<MachineId, Applied>();

  const turns = new Turns<MachineId>();

  const apply = async (machineId: MachineId, policy: NetworkPolicy, except: readonly string[]): Promise<void> => {
    const egress = egressRulesOf(policy, { allowPrivate, own: except });
    await addresses.refresh();
    await fence.changePolicy(machineId, policySpecOf(machineId, { serverAddresses: addresses.known, egress }));
    policies.set(machineId, { policy, own: except });
  };

  /** Has a policy of before except the cluster's addresses of now. */
  const renew = async (machineId: MachineId, except: readonly string[]): Promise<void> => {
    const before = policies.get(machineId);
    if (before === undefined || before.policy.mode === "none" || before.own.join() === except.join()) return;
    try {
      await apply(machineId, before.policy, except);
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== "ENVIRONMENT_MOVED") throw error;
      // The server that has it now does that.
      policies.delete(machineId);
    }
  };

  async function follow(): Promise<void> {
    if (policies.size === 0) return;
    const except = await own.look();
    for (const machineId of [...policies.keys()]) {
      // One whose policy somebody has deleted keeps nobody else's from being renewed.
      await turns.run(machineId, () => renew(machineId, except)).catch(notRenewed);
    }
  }

  const notRenewed = (error: unknown): void =>
    log.warn("network policies may not except all of the cluster's addresses; that is tried again", {
      error: String(error),
    });

  const following = setInterval(() => void follow().catch(notRenewed), KNOWN_MS);
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
      const except = await own.current();
      await turns.run(machineId, () => apply(machineId, policy, except));
    },

    share: () => Promise.reject(new PlatformError("UNSUPPORTED", "pods of a cluster share no networks")),
    memberAddress: () => null,
    traffic: () => Promise.resolve({ traffic: null, connections: null }),
    denials: () => Promise.resolve([]),
    names: namesOf,
    close: () => clearInterval(following),
  };
}
