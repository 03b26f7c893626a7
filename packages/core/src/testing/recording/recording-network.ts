import type { MachineId, NetworkDenial, NetworkPolicy } from "@microterm/protocol";
import type { GuestInterface, NamePolicy, NetworkAttachment, NetworkProvider } from "../../ports/network.ts";

export interface RecordingNetwork extends NetworkProvider {
  /** What each machine was given, also after it gave it back. */
  readonly given: ReadonlyMap<MachineId, NetworkAttachment>;
  /** The policies that each machine was given, in order. */
  readonly policies: ReadonlyMap<MachineId, readonly NetworkPolicy[]>;
  /** What `denials` answers with. */
  readonly refused: NetworkDenial[];
  /** Set: the next `setPolicy` rejects with it. */
  failure: Error | null;
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
  const self: RecordingNetwork = {
    given,
    policies,
    refused: [],
    failure: null,
    name: "recording",
    capabilities: { supportsOutbound: true, policies: ["none", "open", "allowlist"] },
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
      const was = Number(attached.delete(machineId));
      return { namespaces: was, links: was * 2, flows: 0 };
    },
    list: async () => [...attached],
    names: (machineId) => (attached.has(machineId) ? policy : null),
    async setPolicy(machineId, policy) {
      const { failure } = self;
      self.failure = null;
      if (failure !== null) throw failure;
      policies.set(machineId, [...(policies.get(machineId) ?? []), policy]);
    },
    traffic: async () => ({ sent: { bytes: 1, packets: 1 }, received: { bytes: 2, packets: 1 } }),
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
