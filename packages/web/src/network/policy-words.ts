import type { AllowRule, Environment, HostStatus, NetworkPolicy } from "@microterm/protocol";
import { durationWords } from "../parts/words.ts";

/** The rules of a policy whose time is not over. */
export const rulesAt = (policy: NetworkPolicy, now: number): readonly AllowRule[] =>
  policy.mode === "allowlist"
    ? policy.allow.filter(({ expiresAt }) => expiresAt === undefined || Date.parse(expiresAt) > now)
    : [];

/** For where environments are held to no policy; null where they are. */
export const unenforcedWords = (host: Pick<HostStatus, "isNetworkEnforced"> | undefined): string | null =>
  host?.isNetworkEnforced === false
    ? "Network policies are not enforced here: environments reach each other, the cluster and all that it reaches."
    : null;

type Kept = Pick<Environment, "isolation">;

/** `open`, `allowlist (3)`, `loopback only`. A host's process has what the host has. */
export const networkWords = (policy: NetworkPolicy | null, { isolation }: Kept, now: number): string => {
  if (policy === null) return isolation === "none" ? "the host's" : "loopback only";
  return policy.mode === "allowlist" ? `allowlist (${rulesAt(policy, now).length})` : policy.mode;
};

/** A sentence. `shared`: the name of the network that it shares with others. */
export const reachWords = (policy: NetworkPolicy, shared: string | null, now: number): string => {
  const members = shared === null ? null : `the members of ${shared}`;
  switch (policy.mode) {
    case "none":
      return `It reaches ${members === null ? "nothing" : `${members}, and nothing else`}.`;
    case "open":
      return `It reaches the internet${members === null ? "" : ` and ${members}`}.`;
    case "allowlist":
      return rulesAt(policy, now).length === 0
        ? `It reaches ${members === null ? "nothing yet" : `${members}, and nothing else yet`}: its allowlist is empty.`
        : `It reaches what its allowlist names${members === null ? "" : ` and ${members}`}, and nothing else.`;
  }
};

/** Why an environment is without a network, in sentences; null where it has one. */
export const lackWords = (
  { network, isolation }: Pick<Environment, "network"> & Kept,
  host: Pick<HostStatus, "networkReason" | "networkModes"> | undefined,
): readonly string[] | null => {
  if (network !== null) return null;
  if (isolation === "none") return ["Its programs are processes of the host, and reach what the host reaches."];
  const here = "It was made without a network, and reaches nothing but itself.";
  if (host === undefined) return [here];
  return host.networkModes.length > 0
    ? [here, "Networks can be had by now: create another one to have it."]
    : [here, `Networks can't be had on this host: ${host.networkReason ?? "the server does not say why"}.`];
};

/** `example.com`, `203.0.113.9`, `203.0.113.0/24`. */
export const targetOf = (rule: AllowRule): string => ("cidr" in rule ? rule.cidr.replace(/\/32$/, "") : rule.domain);

/** `TCP 80, 443`. */
export const portsWords = (rule: AllowRule): string => {
  const ports = rule.ports ?? [];
  const isRange = "cidr" in rule;
  if (isRange && ports.length === 0) {
    return rule.protocol === undefined ? "every port" : `every ${rule.protocol.toUpperCase()} port`;
  }
  return `${(rule.protocol ?? "tcp").toUpperCase()} ${(ports.length === 0 ? [80, 443] : ports).join(", ")}`;
};

/** `42 min left`; null for a rule that does not end. */
export const leftWords = ({ expiresAt }: AllowRule, now: number): string | null =>
  expiresAt === undefined ? null : `${durationWords(Math.max(0, Date.parse(expiresAt) - now) / 1000)} left`;
