/**
 * IPv4 that no policy lets an environment reach: what IANA's registry of special-purpose addresses (RFC 6890 and its updates) has as
 * not globally reachable or as deprecated, multicast and what is reserved. As in `rust/host/src/network/ceiling.rs`.
 */
export const SPECIAL_RANGES: readonly string[] = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
];

/** What the operator's exceptions do not open either: the host, where clouds answer their own machines, denied names, multicast. */
export const NEVER_OPENED_RANGES: readonly string[] = [
  "0.0.0.0/8",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "100.100.100.200/32",
  "192.0.0.0/24",
  // Azure's own services towards its machines: https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
  "168.63.129.16/32",
  "198.18.0.0/15",
  "224.0.0.0/4",
  "240.0.0.0/4",
];
