import { printableJson } from "@microterm/protocol";
import { connect, type ServerOptions } from "../server-address.ts";

export async function inspect(names: readonly string[], options: ServerOptions): Promise<void> {
  const client = connect(options);
  const found = await Promise.all(names.map((name) => client.environments.get(name)));
  console.log(printableJson(found));
}
