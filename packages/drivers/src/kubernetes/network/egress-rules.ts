import type { V1NetworkPolicyEgressRule, V1NetworkPolicyPort } from "@kubernetes/client-node";
import {
  type AllowRule,
  addressNumber,
  NEVER_OPENED_RANGES,
  type NetworkPolicy,
  PlatformError,
  SPECIAL_RANGES,
} from "@microterm/protocol";

/** What no policy opens. */
export interface Ceiling {
  /** Ranges that the operator lets guests reach all the same, as their policy says. */
  readonly allowPrivate: readonly string[];
  /** IPv4 addresses of the cluster's own, which no exception opens. */
  readonly own: readonly string[];
}

const EVERYTHING = "0.0.0.0/0";

/**
 * What a policy lets out, below the ceiling: IPv4 alone, as nothing is said of IPv6. The operator's exceptions are rules of their own, since some
 * network plugins have one set of ranges for all of a rule. Throws `UNSUPPORTED` for a rule with a domain.
 */
export function egressRulesOf(policy: NetworkPolicy, ceiling: Ceiling): readonly V1NetworkPolicyEgressRule[] {
  switch (policy.mode) {
    case "none":
      return [];
    case "open":
      return rulesFor(EVERYTHING, [], ceiling);
    case "allowlist":
      return policy.allow.flatMap((rule) => rulesFor(rangeOf(rule), portsOf(rule), ceiling));
  }
}

function rangeOf(rule: AllowRule): string {
  if ("cidr" in rule) return rule.cidr;
  throw new PlatformError("UNSUPPORTED", "a cluster's policies know addresses alone, and no domains");
}

function portsOf({ ports = [], protocol }: AllowRule): readonly V1NetworkPolicyPort[] {
  if (ports.length > 0) return ports.map((port) => ({ protocol: (protocol ?? "tcp").toUpperCase(), port }));
  return protocol === undefined ? [] : [{ protocol: protocol.toUpperCase() }];
}

function rulesFor(
  range: string,
  ports: readonly V1NetworkPolicyPort[],
  { allowPrivate, own }: Ceiling,
): readonly V1NetworkPolicyEgressRule[] {
  const never = [...NEVER_OPENED_RANGES, ...own.map((address) => `${address}/32`)];
  const exceptions = allowPrivate.flatMap((hole) => common(range, hole) ?? []);
  const blocks = [
    blockOf(range, [...SPECIAL_RANGES, ...never]),
    ...[...new Set(exceptions)].map((exception) => blockOf(exception, never)),
  ];
  return blocks
    .filter((block) => block !== null)
    .map((ipBlock) => ({ to: [{ ipBlock }], ...(ports.length === 0 ? {} : { ports: [...ports] }) }));
}

/** A range without others; null where one of them has all of it. */
function blockOf(cidr: string, without: readonly string[]): { cidr: string; except?: string[] } | null {
  if (without.some((other) => contains(other, cidr))) return null;
  // Those within others say nothing more.
  const within = [...new Set(without)].filter((other) => contains(cidr, other));
  const except = within.filter((one) => !within.some((other) => other !== one && contains(other, one)));
  return except.length === 0 ? { cidr } : { cidr, except };
}

/** What is in both, which is one of the two. */
function common(one: string, other: string): string | null {
  if (contains(one, other)) return other;
  return contains(other, one) ? one : null;
}

/** Whether a range has all of another. */
function contains(outer: string, inner: string): boolean {
  const [first, prefix] = parse(outer);
  const [address, innerPrefix] = parse(inner);
  const size = 2 ** (32 - prefix);
  return innerPrefix >= prefix && Math.floor(address / size) === Math.floor(first / size);
}

function parse(cidr: string): readonly [address: number, prefix: number] {
  const [address = "", prefix] = cidr.split("/");
  return [addressNumber(address), Number(prefix)];
}
