import { type AllowRule, MAX_ALLOW_RULES, type NetworkPolicy, PlatformError } from "@microterm/protocol";
import type { NetworkCapabilities } from "../../ports/network.ts";

export interface EffectivePolicy {
  /** Without the rules whose time is over. */
  readonly policy: NetworkPolicy;
  /** When the next rule's time is over, ms since the epoch; null: never. */
  readonly nextAt: number | null;
}

/** What a policy says at a time. */
export function effectiveAt(policy: NetworkPolicy, now: number): EffectivePolicy {
  if (policy.mode !== "allowlist") return { policy, nextAt: null };
  const allow = policy.allow.filter((rule) => endOf(rule) > now);
  const nextAt = Math.min(...allow.map(endOf));
  return { policy: { mode: "allowlist", allow }, nextAt: Number.isFinite(nextAt) ? nextAt : null };
}

const endOf = ({ expiresAt }: AllowRule): number =>
  expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiresAt);

/**
 * The policy of a new environment: the one asked for, or else the default. Null where there are no networks, in which its machine then
 * has no interface. Throws `UNSUPPORTED` for one that was asked for and cannot be had.
 */
export function choosePolicy(
  asked: NetworkPolicy | undefined,
  fallback: NetworkPolicy,
  network: PolicyCapabilities,
): NetworkPolicy | null {
  if (asked !== undefined && asked.mode !== "none") assertSupported(asked, network);
  return network.policies.length === 0 ? null : (asked ?? fallback);
}

export type PolicyCapabilities = Pick<NetworkCapabilities, "policies" | "supportsDomainPolicy">;

/** Throws `UNSUPPORTED` for a policy that the network does not have. */
export function assertSupported(policy: NetworkPolicy, { policies: modes, ...network }: PolicyCapabilities): void {
  const { mode } = policy;
  if (modes.includes(mode)) {
    const named = mode === "allowlist" ? policy.allow.find((rule) => "domain" in rule) : undefined;
    if (named === undefined || network.supportsDomainPolicy) return;
    throw new PlatformError(
      "UNSUPPORTED",
      "a rule for a domain cannot be had here, where environments are held to addresses alone: allow an address or a range of them",
    );
  }
  throw new PlatformError(
    "UNSUPPORTED",
    modes.length === 0
      ? `a network policy '${mode}' cannot be had here: environments have their loopback alone (./microterm doctor says why)`
      : `a network policy '${mode}' cannot be had here: environments have ${modes.join(" or ")}`,
  );
}

/** The policy with one rule more; a rule for the same comes in the place of the one before. Throws `BAD_REQUEST` where there are too many. */
export function withRule(policy: NetworkPolicy, rule: AllowRule, now: number): NetworkPolicy {
  // Everything is allowed already.
  if (policy.mode === "open") return policy;
  const { policy: current } = effectiveAt(policy, now);
  const before = current.mode === "allowlist" ? current.allow : [];
  const allow = [...before.filter((one) => subjectOf(one) !== subjectOf(rule)), rule];
  if (allow.length > MAX_ALLOW_RULES) {
    throw new PlatformError("BAD_REQUEST", `an allowlist has ${MAX_ALLOW_RULES} rules at most: remove one first`);
  }
  return { mode: "allowlist", allow };
}

/** The policy without one rule, as it is to the end of its time: one that has taken its place meanwhile stays, as all others do. */
export function withoutRule(policy: NetworkPolicy, rule: AllowRule, now: number): NetworkPolicy {
  const { policy: current } = effectiveAt(policy, now);
  if (current.mode !== "allowlist") return policy;
  return { mode: "allowlist", allow: current.allow.filter((one) => !isSame(one, rule)) };
}

const isSame = (one: AllowRule, other: AllowRule): boolean =>
  subjectOf(one) === subjectOf(other) && endOf(one) === endOf(other);

const subjectOf = ({ expiresAt: _until, ...subject }: AllowRule): string =>
  JSON.stringify(Object.entries(subject).sort());
