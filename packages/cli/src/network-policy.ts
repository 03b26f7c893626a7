import { AllowRule, type NetworkPolicy } from "@microterm/protocol";
import { CliError, EXIT } from "./failure.ts";

export interface NetworkOptions {
  readonly network?: "none" | "open";
  readonly allow?: readonly string[];
}

/** `TARGET[:PORT[,PORT…]][/tcp|/udp]`, where TARGET may have a slash of its own. */
const RULE = /^(?<target>[^:]+?)(?::(?<ports>\d{1,5}(?:,\d{1,5})*))?(?:\/(?<protocol>tcp|udp))?$/;
const IS_ADDRESS = /^[\d./]+$/;
const EXAMPLES = "github.com:443, '*.debian.org' or 203.0.113.0/24:53/udp";

/** One rule as it is written on the command line. @throws CliError that names what is wrong with it. */
export function parseRule(text: string): AllowRule {
  const { target = "", ports, protocol } = RULE.exec(text)?.groups ?? {};
  const parsed = AllowRule.safeParse({
    ...(IS_ADDRESS.test(target) ? { cidr: target } : { domain: target }),
    ...(ports === undefined ? {} : { ports: ports.split(",").map(Number) }),
    ...(protocol === undefined ? {} : { protocol }),
  });
  if (parsed.success) return parsed.data;
  throw new CliError(`--allow ${text} is no rule.`, { hint: `Write it like ${EXAMPLES}.`, exitCode: EXIT.usage });
}

/** The policy that the options ask for; undefined where they ask for none. @throws CliError where they contradict each other. */
export function policyOf({ network, allow }: NetworkOptions): NetworkPolicy | undefined {
  if (allow === undefined) return network === undefined ? undefined : { mode: network };
  if (network !== undefined) {
    throw new CliError(`--allow goes without --network ${network}.`, {
      hint: "With --allow alone, what it names is all that may be reached.",
      exitCode: EXIT.usage,
    });
  }
  return { mode: "allowlist", allow: allow.map(parseRule) };
}

/** A rule as {@link parseRule} reads it. */
export function ruleText(rule: AllowRule): string {
  const target = "cidr" in rule ? rule.cidr : rule.domain;
  const ports = rule.ports === undefined || rule.ports.length === 0 ? "" : `:${rule.ports.join(",")}`;
  return `${target}${ports}${rule.protocol === undefined ? "" : `/${rule.protocol}`}`;
}
