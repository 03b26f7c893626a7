import type { MachineId, NetworkDenial, NetworkId, NetworkPolicy } from "@microterm/protocol";
import type { GuestInterface, NamePolicy, NetworkAttachment, NetworkProvider } from "../../ports/network.ts";

export interface RecordingNetwork extends NetworkProvider {
  /** What each machine was given, also after it gave it back. */
  readonly given: ReadonlyMap<MachineId, NetworkAttachment>;
  /** The policies that each machine was given, in order. */
  readonly policies: ReadonlyMap<MachineId, readonly NetworkPolicy[]>;
  /** The shared network of each machine that is in one. */
  readonly shared: ReadonlyMap<MachineId, NetworkId>;
  /** What `denials` answers with. */
  readonly refused: NetworkDenial[];
  /** Set: the next `setPolicy` or `share` rejects with it. */
  failure: Error | null;
  /** The same, which does it all the same: its answer is lost. */
  lateFailure: Error | null;
}

/** A network that exists in memory alone: each machine gets a slot and an address of its own. Names where it is given a policy. */
export function createRecordingNetwork({
  policy = null,
}: {
  readonly policy?: NamePolicy | null;
} = {}): RecordingNetwork {
  const given = new Map<MachineId, NetworkAttachment>();
  const attached = new Set<MachineId>();
  const policies = new Map<MachineId, NetworkPolicy[]>();
  const shared = new Map<MachineId, NetworkId>();
  const fail = (which: "failure" | "lateFailure"): void => {
    const error = self[which];
    self[which] = null;
    if (error !== null) throw error;
  };
  const self: RecordingNetwork = {
    given,
    policies,
    shared,
    refused: [],
    failure: null,
    lateFailure: null,
    name: "recording",
    capabilities: {
      supportsOutbound: true,
      policies: ["none", "open", "allowlist"],
      supportsDomainPolicy: true,
      supportsSharedNetworks: true,
      isEnforced: true,
    },
    async attach(machineId) {
      attached.add(machineId);
      const known = given.get(machineId);
      if (known !== undefined) return known;
      const { link, interface: eth0 } = numbered(given.size + 1);
      const attachment = { machineId, reach: "outbound", link, interface: eth0 } as const;
      given.set(machineId, attachment);
      return attachment;
    },
    async detach(machineId) {
      shared.delete(machineId);
      const was = Number(attached.delete(machineId));
      return { namespaces: was, links: was * 2, flows: 0 };
    },
    list: async () => [...attached],
    names: (machineId) => (attached.has(machineId) ? policy : null),
    async setPolicy(machineId, policy) {
      fail("failure");
      policies.set(machineId, [...(policies.get(machineId) ?? []), policy]);
      fail("lateFailure");
    },
    async share(machineId, network) {
      fail("failure");
      const own = given.get(machineId);
      if (own === undefined || !attached.has(machineId)) throw new Error(`machine ${machineId} is not attached`);
      if (network === null) shared.delete(machineId);
      else shared.set(machineId, network);
      fail("lateFailure");
      const { address } = own.interface as GuestInterface;
      const member = { address: address.replace("10.0.0.", "10.1.0."), prefixLength: 32 };
      return { ...(own.interface as GuestInterface), ...(network === null ? {} : member) };
    },
    memberAddress: (machineId) =>
      shared.has(machineId) ? (given.get(machineId)?.interface?.address.replace("10.0.0.", "10.1.0.") ?? null) : null,
    traffic: async () => ({
      traffic: { sent: { bytes: 1, packets: 1 }, received: { bytes: 2, packets: 1 } },
      connections: { tracked: 1, opened: 1, exceeded: 0, limits: { open: 4096, newPerSecond: 200 } },
    }),
    denials: async () => self.refused,
  };
  return self;
}

function numbered(number: number) {
  const macAddress = `02:00:00:00:00:${number.toString(16).padStart(2, "0")}`;
  const eth0: GuestInterface = {
    name: "eth0",
    macAddress,
    address: `10.0.0.${number}`,
    prefixLength: 24,
    gateway: "10.0.0.254",
    resolvers: ["169.254.53.53"],
    mtu: 1500,
    hosts: [],
  };
  return { link: { kind: "slot", slot: `slot-${number}`, macAddress }, interface: eth0 } as const;
}
