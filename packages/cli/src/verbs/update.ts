import { printableJson } from "@microterm/protocol";
import { CliError, EXIT } from "../failure.ts";
import { connect, type ServerOptions } from "../server-address.ts";
import { parseSeconds } from "../sizes.ts";

export interface UpdateOptions extends ServerOptions {
  readonly idleTimeout?: string;
  readonly ttl?: string;
  readonly output?: "json" | "name";
}

/** Changes when environments end by themselves. */
export async function update(names: readonly string[], options: UpdateOptions): Promise<void> {
  const { idleTimeout, ttl } = options;
  if (idleTimeout === undefined && ttl === undefined) {
    throw new CliError("There is nothing to change: neither --idle-timeout nor --ttl is given.", {
      hint: `./microterm update --ttl 8h ${names.join(" ")}`,
      exitCode: EXIT.usage,
    });
  }
  const wish = {
    ...(idleTimeout === undefined ? {} : { idleTimeoutSeconds: parseSeconds(idleTimeout, "--idle-timeout") }),
    ...(ttl === undefined ? {} : { ttlSeconds: parseSeconds(ttl, "--ttl") }),
  };
  const client = connect(options);
  const updated = await Promise.all(names.map((name) => client.environments.update(name, wish)));
  if (options.output === "json") console.log(printableJson(updated));
  else for (const { name } of updated) console.log(name);
}
