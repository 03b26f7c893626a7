import { BlockList, isIPv4 } from "node:net";

type Subnet = readonly [address: string, prefix: number];

/**
 * IPv4 that no policy lets a guest reach: what IANA's registry of special-purpose addresses (RFC 6890 and its updates) has as
 * not globally reachable or as deprecated, multicast and what is reserved. As in `rust/host/src/network/ceiling.rs`.
 */
const SPECIAL: readonly Subnet[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
];

/** What the operator's exceptions do not open either: the host, where clouds answer their own machines, denied names, multicast. */
const NEVER: readonly Subnet[] = [
  ["0.0.0.0", 8],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["100.100.100.200", 32],
  ["192.0.0.0", 24],
  // Azure's own services towards its machines: https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
  ["168.63.129.16", 32],
  ["198.18.0.0", 15],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
];

/** Whether an address is one that no policy opens. What is no IPv4 address is, too. */
export type IsBeyondCeiling = (address: string) => boolean;

/**
 * `allowPrivate`: CIDRs that the operator lets guests reach. A name's answer never has what is beyond (DNS rebinding), nor what is the
 * network's own, which no exception opens either (`NamePolicy.isOwn`).
 */
export function createCeiling(allowPrivate: readonly string[] = []): IsBeyondCeiling {
  const never = blockListOf(NEVER);
  const special = blockListOf(SPECIAL);
  const exceptions = blockListOf(allowPrivate.map(subnetOf));
  return (address) =>
    !isIPv4(address) || never.check(address) || (special.check(address) && !exceptions.check(address));
}

function subnetOf(cidr: string): Subnet {
  const [address = "", prefix] = cidr.split("/");
  return [address, Number(prefix)];
}

function blockListOf(subnets: readonly Subnet[]): BlockList {
  const list = new BlockList();
  for (const [address, prefix] of subnets) list.addSubnet(address, prefix);
  return list;
}
