import { BlockList, isIPv4 } from "node:net";

/**
 * IPv4 that no policy lets a guest reach: what IANA's registry of special-purpose addresses (RFC 6890 and its updates) has as
 * not globally reachable or as deprecated, multicast, what is reserved, and where clouds answer their own machines.
 */
const BEYOND: readonly (readonly [string, number])[] = [
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
  // Azure's own services towards its machines: https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
  ["168.63.129.16", 32],
];

const beyond = new BlockList();
for (const [address, prefix] of BEYOND) beyond.addSubnet(address, prefix);

/**
 * Whether an address is one that no policy opens. A name's answer never has such a one (DNS rebinding). What is no IPv4 address
 * is, too.
 */
export function isBeyondCeiling(address: string): boolean {
  return !isIPv4(address) || beyond.check(address);
}
