import type { SharedNetwork } from "@microterm/protocol";
import { type OutputOptions, print } from "../output.ts";
import { connect, type ServerOptions } from "../server-address.ts";
import { table } from "../verbs/ls.ts";

export async function create(name: string, options: OutputOptions): Promise<void> {
  const network = await connect(options).networks.create(name);
  await print(network, options, { names: [network.name], text: () => console.log(network.name) });
}

export async function list(options: OutputOptions): Promise<void> {
  const networks = await connect(options).networks.list();
  const names = networks.map(({ name }) => name);
  await print(networks, options, { names, text: () => console.log(linesOf(networks)) });
}

/** A line for each member, and one for a network without. */
export function linesOf(networks: readonly SharedNetwork[]): string {
  const rows = networks.flatMap(({ name, members }): string[][] =>
    members.length === 0 ? [[name, "-", "-"]] : members.map((member) => [name, member.name, member.address ?? "-"]),
  );
  return table([["NETWORK", "MEMBER", "ADDRESS"], ...rows]);
}

export async function remove(names: readonly string[], options: ServerOptions): Promise<void> {
  const { networks } = connect(options);
  for (const name of names) {
    await networks.remove(name);
    console.log(name);
  }
}

export async function join(network: string, names: readonly string[], options: ServerOptions): Promise<void> {
  const { environments } = connect(options);
  for (const name of names) console.log((await environments.joinNetwork(name, network)).name);
}

export async function leave(names: readonly string[], options: ServerOptions): Promise<void> {
  const { environments } = connect(options);
  for (const name of names) console.log((await environments.leaveNetwork(name)).name);
}
