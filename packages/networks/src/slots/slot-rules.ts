import type { SlotPolicy, SlotRule } from "@microterm/host";
import type { AllowRule, NetworkPolicy } from "@microterm/protocol";

/** What a domain is allowed for where its rule does not say. */
const WEB_PORTS = [80, 443];
type AllowList = Extract<NetworkPolicy, { mode: "allowlist" }>;

/** A policy as the host's daemon takes it, with a rule for each port. */
export function slotPolicy(policy: NetworkPolicy): SlotPolicy {
  if (policy.mode !== "allowlist") return policy.mode;
  return { allowlist: distinct(policy.allow.flatMap(slotRules)) };
}

function slotRules(rule: AllowRule): readonly SlotRule[] {
  const isDomain = "domain" in rule;
  const target = isDomain ? { name: rule.domain } : { cidr: rule.cidr };
  const ports = rule.ports?.length ? rule.ports : isDomain ? WEB_PORTS : [];
  if (ports.length === 0) return [{ ...target, protocol: rule.protocol ?? "any" }];
  const protocol = rule.protocol ?? "tcp";
  return ports.map((port) => ({ ...target, protocol, ports: [port, port] }) as const);
}

/** The daemon tells rules apart by what they say. */
function distinct(rules: readonly SlotRule[]): SlotRule[] {
  return [...new Map(rules.map((rule) => [JSON.stringify(rule), rule])).values()];
}

/** Whether a rule for `pattern` (`example.com`, or `*.example.com`) is one for a name, which is in lower case and without a dot at its end. */
export const matchesDomain = (pattern: string, name: string): boolean =>
  pattern.startsWith("*.") ? name.length > pattern.length - 1 && name.endsWith(pattern.slice(1)) : name === pattern;

/** Whether a list allows a name. */
export const allowsName = (policy: AllowList, name: string): boolean =>
  policy.allow.some((rule) => "domain" in rule && matchesDomain(rule.domain, name));
