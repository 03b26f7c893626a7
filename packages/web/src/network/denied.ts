import { AllowRule, type NetworkDenial } from "@microterm/protocol";
import { plainText } from "@microterm/protocol/text";

/** What was refused, without how often. */
export const subjectOf = ({ name, address, protocol, port }: NetworkDenial): string =>
  JSON.stringify([name, address, protocol, port]);

export type Counts = ReadonlyMap<string, number>;

export const countsOf = (denials: readonly NetworkDenial[]): Counts =>
  new Map(denials.map((denial) => [subjectOf(denial), denial.count]));

/** The latest that was refused, or refused again, since `seen`. */
export const latestSince = (seen: Counts, denials: readonly NetworkDenial[]): NetworkDenial | null =>
  denials.findLast((denial) => seen.get(subjectOf(denial)) !== denial.count) ?? null;

/** `example.com:443`, `203.0.113.9:53/udp`, `203.0.113.9 (icmp)`. A name is a guest's own text. */
export const targetWords = ({ name, address, protocol, port }: NetworkDenial): string => {
  const target = plainText(name ?? address ?? "", { max: 253 });
  if (port === null) return `${target} (${protocol})`;
  return `${target}:${port}${protocol === "tcp" ? "" : `/${protocol}`}`;
};

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
