import { AllowRule, addressNumber, type NetworkDenial, type NetworkPolicy } from "@microterm/protocol";
import { plainText } from "@microterm/protocol/text";
import { rulesAt } from "./policy-words.ts";

/** What was refused, without how often. */
export const subjectOf = ({ name, address, protocol, port }: NetworkDenial): string =>
  JSON.stringify([name, address, protocol, port]);

export type Counts = ReadonlyMap<string, number>;

export const countsOf = (denials: readonly NetworkDenial[]): Counts =>
  new Map(denials.map((denial) => [subjectOf(denial), denial.count]));

/** One that was refused, or refused again, since `seen`: the last of the list, which has no order. */
export const latestSince = (seen: Counts, denials: readonly NetworkDenial[]): NetworkDenial | null =>
  denials.findLast((denial) => seen.get(subjectOf(denial)) !== denial.count) ?? null;

/** `example.com:443`, `203.0.113.9:53/udp`, `203.0.113.9 (icmp)`. A name is a guest's own text. */
export const targetWords = ({ name, address, protocol, port }: NetworkDenial): string => {
  const target = plainText(name ?? address ?? "", { max: 253 });
  if (port === null) return `${target} (${protocol})`;
  return `${target}:${port}${protocol === "tcp" ? "" : `/${protocol}`}`;
};

const MOST_SHOWN = 44;

/** A target whose middle is left out where it is long: the end of a name says whose it is, and not its beginning. */
export const shortTarget = (target: string): string =>
  target.length <= MOST_SHOWN ? target : `${target.slice(0, MOST_SHOWN / 4)}…${target.slice(1 - (3 * MOST_SHOWN) / 4)}`;

/** The rule that allows exactly what was refused; null where there is none. */
export const ruleOf = (
  { name, address, protocol, port, by }: NetworkDenial,
  expiresAt: string | undefined,
): AllowRule | null => {
  if (by === "bounds" || port === null) return null;
  const target = name === null ? { cidr: address } : { domain: name };
  const until = expiresAt === undefined ? {} : { expiresAt };
  return AllowRule.safeParse({ ...target, protocol, ports: [port], ...until }).data ?? null;
};

/**
 * Denials in an order that keeps each where it stands, so that nothing moves under a pointer: those that are known by their
 * subjects first, and the others behind them, the most frequent first. The server has no order.
 */
export function inOrder(known: readonly string[], denials: readonly NetworkDenial[]): readonly NetworkDenial[] {
  const place = new Map(known.map((subject, at) => [subject, at]));
  const placeOf = (denial: NetworkDenial): number => place.get(subjectOf(denial)) ?? known.length;
  return denials.toSorted((one, other) => placeOf(one) - placeOf(other) || other.count - one.count);
}

const isBelow = (name: string, domain: string): boolean =>
  domain.startsWith("*.") ? name.endsWith(domain.slice(1)) : name === domain;

function isWithin(address: string, cidr: string): boolean {
  const [first = "", prefix = ""] = cidr.split("/");
  const offset = addressNumber(address) - addressNumber(first);
  return offset >= 0 && offset < 2 ** (32 - Number(prefix));
}

function covers(rule: AllowRule, { name, address, protocol, port }: NetworkDenial): boolean {
  const ports = rule.ports ?? [];
  if ("domain" in rule) {
    const taken = ports.length === 0 ? [80, 443] : ports;
    const isMeant = (rule.protocol ?? "tcp") === protocol && port !== null && taken.includes(port);
    return isMeant && name !== null && isBelow(name, rule.domain);
  }
  if (address === null || name !== null || !isWithin(address, rule.cidr)) return false;
  if (ports.length === 0) return rule.protocol === undefined || rule.protocol === protocol;
  return (rule.protocol ?? "tcp") === protocol && port !== null && ports.includes(port);
}

/** Whether what was refused is allowed by now. */
export const isAllowedBy = (policy: NetworkPolicy, denial: NetworkDenial, now: number): boolean =>
  denial.by === "policy" && (policy.mode === "open" || rulesAt(policy, now).some((rule) => covers(rule, denial)));

/** Why there is no rule for exactly what was refused. */
export const noRuleWords = ({ by, port }: NetworkDenial): string => {
  if (by === "bounds") return "No policy allows it";
  return port === null ? "Needs a rule without ports" : "No rule can name it";
};
