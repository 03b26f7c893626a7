import type { IsBeyondCeiling } from "./address-ceiling.ts";

/**
 * Domains that are not of the public DNS: RFC 6761 and its registry, RFC 6762, 7686, 8375, 9462, 9476, and .internal (ICANN, 2024).
 * The host's operator may have given them meaning in its own network, which is not a guest's to know.
 */
const SPECIAL = new Set([
  "alt",
  "example",
  "home",
  "home.arpa",
  "internal",
  "intranet",
  "invalid",
  "ipv4only.arpa",
  "lan",
  "local",
  "localdomain",
  "localhost",
  "onion",
  "private",
  "corp",
  "resolver.arpa",
  "service.arpa",
  "test",
]);

/** Whether a name, in lower case and without a dot at its end, is none that is asked for outside of this host's own network. */
export function isSpecialUse(name: string, isBeyondCeiling: IsBeyondCeiling): boolean {
  const labels = name.split(".");
  // A host's own resolver completes it by the host's domain, or looks it up among its neighbours.
  if (labels.length === 1) return true;
  if (SPECIAL.has(labels.at(-1) as string) || SPECIAL.has(labels.slice(-2).join("."))) return true;
  return isPrivateReverse(name, isBeyondCeiling);
}

/** Names of addresses: of whole IPv4 addresses that a guest may reach alone, so that no other network is mapped by asking. */
function isPrivateReverse(name: string, isBeyondCeiling: IsBeyondCeiling): boolean {
  if (name === "ip6.arpa" || name.endsWith(".ip6.arpa")) return true;
  if (name !== "in-addr.arpa" && !name.endsWith(".in-addr.arpa")) return false;
  const address = name.split(".").slice(0, -2).reverse().join(".");
  return isBeyondCeiling(address);
}
