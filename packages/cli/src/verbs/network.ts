import { type NetworkDenial, type NetworkPolicy, type NetworkStatus, plainText } from "@microterm/protocol";
import { ruleText } from "../network-policy.ts";
import { type OutputOptions, print } from "../output.ts";
import { connect } from "../server-address.ts";
import { formatBytes } from "../sizes.ts";
import { table } from "./ls.ts";

/** Prints what an environment may reach, what it has sent and received, and what it was refused. */
export async function network(name: string, options: OutputOptions): Promise<void> {
  const { environments } = connect(options);
  const [status, denials] = await Promise.all([environments.network(name), environments.denials(name)]);
  const text = (): void => console.log(linesOf(status, denials).join("\n"));
  await print({ ...status, denials }, options, { text });
}

export function linesOf(
  { policy, traffic, connections }: NetworkStatus,
  denials: readonly NetworkDenial[],
): readonly string[] {
  if (policy === null) return ["It was made without a network interface, and reaches nothing but itself."];
  const lines = [`Policy: ${policyText(policy)}`];
  if (policy.mode === "allowlist") {
    for (const rule of policy.allow) {
      lines.push(`  ${ruleText(rule)}${rule.expiresAt === undefined ? "" : `  until ${rule.expiresAt}`}`);
    }
  }
  if (traffic !== null) {
    lines.push(`Sent: ${formatBytes(traffic.sent.bytes)}   Received: ${formatBytes(traffic.received.bytes)}`);
  }
  if (connections !== null) lines.push(connectionsText(connections));
  if (denials.length === 0) return [...lines, "Refused: nothing"];
  const rows = denials.map(({ name, address, protocol, port, count, by }) => [
    plainText(name ?? address ?? "", { layout: "spaced", max: 253 }),
    port === null ? protocol : `${port}/${protocol}`,
    String(count),
    by === "policy" ? "by its policy" : "always: no policy allows it",
  ]);
  return [...lines, "Refused:", table([["TARGET", "PORT", "PACKETS", "WHY"], ...rows])];
}

function policyText(policy: NetworkPolicy): string {
  if (policy.mode === "none") return "none: it reaches nothing";
  if (policy.mode === "open") return "open: it reaches the internet";
  return policy.allow.length === 0 ? "an empty allowlist: it reaches nothing" : "it reaches these alone";
}

function connectionsText({ tracked, exceeded, limits }: NonNullable<NetworkStatus["connections"]>): string {
  const now = `Connections: ${tracked ?? "not counted"}   At most: ${limits.open}, ${limits.newPerSecond} new a second`;
  return exceeded === 0 ? now : `${now}   Refused beyond that: ${exceeded} packets`;
}
