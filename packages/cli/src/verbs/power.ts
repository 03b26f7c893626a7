import type { Environment } from "@microterm/protocol";
import { connect, type ServerOptions } from "../server-address.ts";
import { BOOT_TIMEOUT_MS, waitUntilRunning } from "./create.ts";

/** `stop` and `start`: asks for all, then waits for each. */
export async function power(
  action: "stop" | "start",
  names: readonly string[],
  options: ServerOptions & { readonly output?: "json" | "name" },
): Promise<void> {
  const client = connect(options);
  const asked = await Promise.all(names.map((name) => client.environments[action](name)));
  const reached: Environment[] = [];
  for (const environment of asked) {
    if (action === "start") reached.push(await waitUntilRunning(client, environment));
    else {
      const stopped = await client.environments.waitFor(environment.id, ["stopped"], { timeoutMs: BOOT_TIMEOUT_MS });
      reached.push(stopped ?? environment);
    }
  }
  if (options.output === "json") console.log(JSON.stringify(reached, null, 2));
  else for (const { name } of reached) console.log(name);
}
