import { BlockList } from "node:net";
import type { GuestInterface, NamePolicy, NetworkProvider } from "@microterm/core";
import type { AttachedSlot, HostDaemonClient, SlotAdmission } from "@microterm/host";
import { MachineId, type NetworkDenial, type NetworkPolicy } from "@microterm/protocol";
import { allowsName, matchesDomain, slotPolicy } from "./slot-rules.ts";

/** Of the agent, in every guest (docs/reference/agent-protocol.md, Names). */
const RESOLVER = "169.254.53.53";
/** Names that are asked for again and again change nothing for so long, seconds. */
const SHORTEST_TTL = 60;
const LONGEST_TTL = 86_400;
/** Entries of one call of the daemon. */
const MOST_ENTRIES = 64;
/** Of connections, as in `rust/host/src/network/rules.rs`. */
const LIMITS = { open: 4096, newPerSecond: 200 } as const;
/** IP protocol numbers (IANA). */
const PROTOCOLS: Readonly<Record<number, NetworkDenial["protocol"]>> = { 1: "icmp", 6: "tcp", 17: "udp" };

/** A rule for a name's addresses, with the daemon's mark. */
interface NamedRule extends Pick<SlotAdmission, "mark" | "protocol" | "port"> {
  readonly name: string;
}

interface MachinePolicy {
  readonly policy: NetworkPolicy;
  readonly named: readonly NamedRule[];
}

const interfaceOf = ({ macAddress, address, prefixLength, gateway, mtu }: AttachedSlot): GuestInterface => ({
  ...{ name: "eth0", macAddress, address, prefixLength, gateway, mtu },
  ...{ resolvers: [RESOLVER], hosts: [] },
});

/** A namespace for each machine, which microterm-host makes ahead; what it may reach is enforced there. */
export function createSlotNetwork({ daemon }: { readonly daemon: HostDaemonClient }): NetworkProvider {
  const policies = new Map<MachineId, MachinePolicy>();
  /** Those that are in a shared network, or are joining one: null until the first answer. */
  const members = new Map<MachineId, { address: string | null }>();

  /** The instance's own addresses, which the daemon has chosen. Before they are known, any address may be one of them. */
  let own: BlockList | null = null;

  async function learnRange(): Promise<void> {
    const { range } = await daemon.networkStatus();
    if (range === null) return;
    const [address = "", prefix] = range.split("/");
    const found = new BlockList();
    found.addSubnet(address, Number(prefix));
    own = found;
  }

  function namePolicyOf(machineId: MachineId): NamePolicy {
    return {
      isOwn: (address) => own === null || own.check(address),

      allows(name) {
        const policy = policies.get(machineId)?.policy;
        return policy?.mode === "open" || (policy?.mode === "allowlist" && allowsName(policy, name));
      },
      async admit(name, addresses, ttlSeconds) {
        const known = policies.get(machineId);
        // Every address is let through already, or none is.
        if (known?.policy.mode !== "allowlist") return;
        const ttl = Math.min(Math.max(Math.ceil(ttlSeconds), SHORTEST_TTL), LONGEST_TTL);
        const rules = known.named.filter((rule) => matchesDomain(rule.name, name));
        const entries = rules.flatMap(({ mark, protocol, port }) =>
          addresses.map((address): SlotAdmission => ({ mark, address, protocol, port, ttlSeconds: ttl })),
        );
        for (let at = 0; at < entries.length; at += MOST_ENTRIES) {
          await daemon.admitToNetwork(machineId, entries.slice(at, at + MOST_ENTRIES));
        }
      },
    };
  }

  return {
    name: "slots",
    capabilities: {
      supportsOutbound: true,
      policies: ["none", "open", "allowlist"],
      supportsDomainPolicy: true,
      supportsSharedNetworks: true,
      isEnforced: true,
    },

    async attach(machineId) {
      if (own === null) await learnRange();
      const attached = await daemon.attachNetwork(machineId);
      const { slot, macAddress } = attached;
      return {
        machineId,
        reach: "outbound",
        link: { kind: "slot", slot, macAddress },
        interface: interfaceOf(attached),
      };
    },

    async detach(machineId) {
      const removed = await daemon.releaseNetwork(machineId);
      policies.delete(machineId);
      members.delete(machineId);
      return removed;
    },

    async list() {
      const [{ slots }] = await Promise.all([daemon.listNetworks(), learnRange()]);
      return slots.map((slot) => MachineId.parse(slot.machineId));
    },

    async setPolicy(machineId, policy) {
      const asked = slotPolicy(policy);
      const marks = await daemon.setNetworkPolicy(machineId, asked);
      const rules = typeof asked === "string" ? [] : asked.allowlist;
      const named = rules.flatMap(({ name, protocol, ports }, number): readonly NamedRule[] => {
        const mark = marks[number];
        if (name === undefined || ports === undefined || mark === undefined) return [];
        return [{ name, mark, protocol: protocol === "udp" ? "udp" : "tcp", port: ports[0] }];
      });
      policies.set(machineId, { policy, named });
    },

    async share(machineId, network) {
      if (network === null) {
        members.delete(machineId);
        return interfaceOf(await daemon.leaveNetwork(machineId));
      }
      const member = { address: members.get(machineId)?.address ?? null };
      members.set(machineId, member);
      try {
        const guest = interfaceOf(await daemon.joinNetwork(machineId, network));
        // A machine that was detached meanwhile stays out of the map.
        member.address = guest.address;
        return guest;
      } catch (error) {
        if (members.get(machineId) === member) members.delete(machineId);
        throw error;
      }
    },

    memberAddress: (machineId) => members.get(machineId)?.address ?? null,

    async traffic(machineId) {
      const { sent, received, connections, opened, exceededPackets } = await daemon.networkUsage(machineId);
      return {
        traffic: { sent, received },
        connections: { tracked: connections, opened, exceeded: exceededPackets, limits: LIMITS },
      };
    },

    async denials(machineId) {
      const found = await daemon.networkDenials(machineId);
      return found.map(({ address, protocol, port, packets, isForbidden }) => ({
        name: null,
        address,
        protocol: PROTOCOLS[protocol] ?? "other",
        port,
        count: packets,
        by: isForbidden ? "bounds" : "policy",
      }));
    },

    names: namePolicyOf,
  };
}
