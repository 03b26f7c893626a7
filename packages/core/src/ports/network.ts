import type {
  MachineId,
  NetworkDenial,
  NetworkId,
  NetworkMode,
  NetworkPolicy,
  NetworkStatus,
} from "@microterm/protocol";

/**
 * The network of a machine. With the adapter `loopback` a guest has no interface but its own loopback, and the page says so;
 * with `slots` the host's daemon has a namespace for each machine.
 *
 *   `attachment`  what a machine gets before it starts, and gives back after it is gone
 *   `link`        its host's side: what the driver plugs the machine's network device into
 *   `interface`   its guest's side: how the agent sets that device up, once it is told who it is
 *
 * The two sides come at different times. A machine has its link from its start on, also one that becomes a template: a
 * device that was not there when memory was saved cannot be there when it is restored. The interface is told with the
 * identity, again with a claim, and again after a pause; a template's guest is told of none.
 */
export interface NetworkProvider {
  readonly name: string;
  readonly capabilities: NetworkCapabilities;
  /** Before the start. Rejects having released all it had taken. Safe to repeat for one machine: same answer. */
  attach(machineId: MachineId): Promise<NetworkAttachment>;
  /** After the machine is gone. Safe to repeat. */
  detach(machineId: MachineId): Promise<RemovedNetwork>;
  /** Machine ids for which anything of this provider exists on the host now. */
  list(): Promise<readonly MachineId[]>;
  /**
   * What an attached machine may reach from now on; until it is said first, that is nothing. What both the policy of before and this
   * one allow is not cut, what this one does not allow is, unless others enforce it, who may leave open connections. Rejects with `UNSUPPORTED` for a mode that `policies` lacks, and
   * otherwise leaves the policy of before. Safe to repeat.
   */
  setPolicy(machineId: MachineId, policy: NetworkPolicy): Promise<void>;
  /**
   * Has an attached machine be in a shared network, in the place of the one that it was in; null: in its own alone. Members reach each
   * other under any policy. Resolves with what its guest is to be told; safe to repeat, with the same answer. Rejects with `UNSUPPORTED`
   * where there are no such networks.
   */
  share(machineId: MachineId, network: NetworkId | null): Promise<GuestInterface>;
  /** The address by which the others of its shared network reach a machine; null: it is in none, or is not known to this server yet. */
  memberAddress(machineId: MachineId): string | null;
  /** What an attached machine has sent, received and connected to since then. Each null where that is not counted. */
  traffic(machineId: MachineId): Promise<Pick<NetworkStatus, "traffic" | "connections">>;
  /** What an attached machine was refused of late, bounded, in no order. */
  denials(machineId: MachineId): Promise<readonly NetworkDenial[]>;
  /**
   * What decides over the names that a machine's guest asks for, from its `attach` to its `detach`, also in a server that was
   * started later. Null: it has no interface. Absent: guests of this network have no names.
   */
  names?(machineId: MachineId): NamePolicy | null;
}

/** Counts of what was removed; rules go with their namespace. Null: there is no such thing here. A receipt then shows 0. */
export interface RemovedNetwork {
  readonly namespaces: number | null;
  readonly links: number | null;
  /** Connections that the host still remembered. */
  readonly flows: number | null;
}

/** Which names a guest may know. The addresses of those, and no others, it may then reach. */
export interface NamePolicy {
  /** Whether a name, in lower case and without a dot at its end, may be asked for. */
  allows(name: string): boolean;
  /** Whether an address is one of the network's own: of a machine, a member of a shared network, or what is between them. No name leads there. */
  isOwn?(address: string): boolean;
  /** The address of a member of the guest's shared network, under a name like the former; null: that is no member's name. */
  memberAddress?(name: string): Promise<string | null>;
  /**
   * Lets packets to these addresses of an allowed name through, for this long at least; resolves once they pass, and only then
   * the guest is told of them. Rejects: the guest is told that its question failed.
   */
  admit(name: string, addresses: readonly string[], ttlSeconds: number): Promise<void>;
}

export interface NetworkCapabilities {
  /** Guests reach the internet. When false the page and the API say `loopback`. */
  readonly supportsOutbound: boolean;
  /** Modes that `setPolicy` takes. Empty: machines have no interface. */
  readonly policies: readonly NetworkMode[];
  /** Rules of an allowlist may be domains. When false, a policy with one is refused before it comes to `setPolicy`. */
  readonly supportsDomainPolicy: boolean;
  /** When false, `share` rejects, and nobody makes such networks. */
  readonly supportsSharedNetworks: boolean;
  /** Something holds machines to their policies. When false, which is an operator's decision, the page and the API say so. */
  readonly isEnforced: boolean;
}

export interface NetworkAttachment {
  readonly machineId: MachineId;
  /** For a person: what the guest can reach. */
  readonly reach: "loopback" | "outbound";
  /** Null: the machine gets no network device, or the back end gives it one unasked. */
  readonly link: NetworkLink | null;
  /** Null: the guest has its loopback alone, or was set up by its back end. */
  readonly interface: GuestInterface | null;
}

/** What a driver plugs a machine's one network device into; `VmCapabilities.networkLinks` says which kinds it can. */
export type NetworkLink =
  /** A tap in a namespace that the host's daemon made ahead: the driver names the slot, and the VMM inherits the tap. */
  | { readonly kind: "slot"; readonly slot: string; readonly macAddress: string }
  /** Whatever provider and driver of one back end have agreed upon, such as the name of a policy. Core never looks at it. */
  | { readonly kind: "managed"; readonly handle: string };

/** IPv4 alone, until IPv6 is done as well. */
export interface GuestInterface {
  /** As the guest's kernel names it, `eth0`. */
  readonly name: string;
  /** Six pairs of lower-case hexadecimal digits with colons: by this the agent finds the device. */
  readonly macAddress: string;
  /** Dotted. */
  readonly address: string;
  readonly prefixLength: number;
  /** Null: nothing beyond its own subnet. */
  readonly gateway: string | null;
  /** Dotted, the first one asked first; empty: no names. */
  readonly resolvers: readonly string[];
  /** Bytes. */
  readonly mtu: number;
  /** Further lines of /etc/hosts: those that it shares a network with. */
  readonly hosts: readonly { readonly name: string; readonly address: string }[];
}
