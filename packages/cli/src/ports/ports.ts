import { printableJson } from "@microterm/protocol";
import { say } from "../failure.ts";
import { connect, type ServerOptions } from "../server-address.ts";

export async function ports(name: string, options: ServerOptions & { readonly output?: "json" }): Promise<void> {
  const list = await connect(options).previews.ports(name);
  if (options.output === "json") return console.log(printableJson(list));
  if (list.ports.length === 0) return say(`No program in ${name} listens on a port.`);
  for (const port of list.ports) console.log(port);
  if (list.truncated) say("There are more.");
}
