import { FIXED_SIZE, LIVE_LIMITS, type UpdateEnvironment } from "@microterm/protocol";
import { CliError, EXIT } from "../failure.ts";
import { type NetworkOptions, policyOf } from "../network-policy.ts";
import { type OutputOptions, print } from "../output.ts";
import { connect } from "../server-address.ts";
import { parseCount, parseMib, parsePercent, parseSeconds, withinLimits } from "../sizes.ts";

export interface UpdateOptions extends OutputOptions, NetworkOptions {
  readonly idleTimeout?: string;
  readonly ttl?: string;
  readonly cpuQuota?: string;
  readonly cpuWeight?: string;
  readonly diskRate?: string;
  readonly diskOperations?: string;
  readonly size?: string;
  readonly memory?: string;
  readonly cpus?: string;
  readonly disk?: string;
}

/** Changes when environments end by themselves, what they may use and what they may reach. */
export async function update(names: readonly string[], options: UpdateOptions): Promise<void> {
  const fixed = (["size", "memory", "cpus", "disk"] as const).find((name) => options[name] !== undefined);
  if (fixed !== undefined) {
    throw new CliError(`--${fixed} cannot be changed: ${FIXED_SIZE}.`, {
      hint: `./microterm create --${fixed} ${options[fixed]}`,
      exitCode: EXIT.usage,
    });
  }
  const wish = wishOf(options);
  if (Object.keys(wish).length === 0) {
    throw new CliError("There is nothing to change: no option says what.", {
      hint: `./microterm update --ttl 8h ${names.join(" ")}`,
      exitCode: EXIT.usage,
    });
  }
  const client = connect(options);
  const updated = await Promise.all(names.map((name) => client.environments.update(name, wish)));
  const all = updated.map(({ name }) => name);
  await print(updated, options, { names: all, text: () => console.log(all.join("\n")) });
}

function wishOf(options: UpdateOptions): UpdateEnvironment {
  const { idleTimeout, ttl, cpuQuota, cpuWeight, diskRate, diskOperations } = options;
  const network = policyOf(options);
  const limit = (name: keyof typeof LIVE_LIMITS, option: string, text: string | undefined, parse: Parse) =>
    text === undefined ? {} : { [name]: withinLimits(parse(text, option), LIVE_LIMITS[name], { option, text }) };
  return {
    ...(idleTimeout === undefined ? {} : { idleTimeoutSeconds: parseSeconds(idleTimeout, "--idle-timeout") }),
    ...(ttl === undefined ? {} : { ttlSeconds: parseSeconds(ttl, "--ttl") }),
    ...(network === undefined ? {} : { network }),
    ...limit("cpuQuotaPercent", "--cpu-quota", cpuQuota, parsePercent),
    ...limit("cpuWeight", "--cpu-weight", cpuWeight, parseCount),
    ...limit("diskMibPerSecond", "--disk-rate", diskRate, parseMib),
    ...limit("diskOperationsPerSecond", "--disk-operations", diskOperations, parseCount),
  };
}

type Parse = (text: string, option: string) => number;
