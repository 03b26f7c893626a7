import { say } from "../failure.ts";
import { type OutputOptions, print } from "../output.ts";
import { connect } from "../server-address.ts";

export async function ports(name: string, options: OutputOptions): Promise<void> {
  const list = await connect(options).previews.ports(name);
  const text = (): void => {
    if (list.ports.length === 0) say(`No program in ${name} listens on a port.`);
    for (const port of list.ports) console.log(port);
    if (list.truncated) say("There are more.");
  };
  await print(list, options, { names: list.ports.map(String), text });
}
