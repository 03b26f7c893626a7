import type { CommandRunner } from "../command-runner.ts";

/** Options of the host's apt that a build needs as well: how to get out, and which dates to believe. */
const ADOPTED =
  /^Acquire::(https?|ftp)::(Proxy|Proxy-Auto-Detect|CAInfo)(::[^ ]+)? |^Acquire::(Check-Valid-Until|Check-Date|ForceIPv[46]) /;

/** A mirror that does not answer is reported after a minute, not after apt's usual eight. */
const OWN = [
  'Acquire::Retries "2"',
  'Acquire::http::Timeout "20"',
  'Acquire::https::Timeout "20"',
  'Acquire::Languages "none"',
  'APT::Install-Recommends "false"',
];

export function adoptedOptions(dump: string): readonly string[] {
  return dump
    .split("\n")
    .filter((line) => ADOPTED.test(line))
    .map((line) => line.replace(/;\s*$/, ""));
}

/**
 * The options to give apt inside the build: the host's proxies and date checks from `apt-config dump`, and ours. They are
 * removed from the guest again, as a proxy's address may hold a password.
 */
export async function aptOptions(runner: CommandRunner): Promise<readonly string[]> {
  const dump = await runner.run(["apt-config", "dump"]).catch(() => undefined);
  return [...(dump?.code === 0 ? adoptedOptions(dump.stdout) : []), ...OWN];
}

const PROXY_VARIABLES = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"];

/** The proxy variables of an environment under the lower-case names that apt reads. */
export function proxyEnvironment(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of PROXY_VARIABLES) {
    const value = environment[name] ?? environment[name.toUpperCase()];
    if (value) found[name] = value;
  }
  return found;
}
