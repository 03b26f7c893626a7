import type { AdminEnvironment, AdminHost } from "@microterm/protocol";
import { say } from "../failure.ts";
import { type OutputOptions, print } from "../output.ts";
import { connect, type ServerOptions } from "../server-address.ts";
import { formatBytes, formatMib } from "../sizes.ts";
import { table } from "../verbs/ls.ts";
import { stateWords } from "../words.ts";

export async function list(options: OutputOptions): Promise<void> {
  const environments = await connect(options).admin.environments();
  await print(environments, options, {
    names: environments.map(({ id }) => id),
    text: () => (environments.length === 0 ? say("There are no environments.") : console.log(tableOf(environments))),
  });
}

export function tableOf(environments: readonly AdminEnvironment[]): string {
  return table([
    ["OWNER", "NAME", "ID", "STATE", "CPUS", "CPU TIME", "MEMORY", "OF", "DISK", "OF"],
    ...environments.map((one) => [
      one.ownerName,
      one.name,
      one.id,
      stateWords(one),
      String(one.cpus),
      one.use.machine === null ? "-" : `${Math.round(one.use.machine.cpuMs / 1000)} s`,
      one.use.machine === null ? "-" : formatBytes(one.use.machine.memoryBytes),
      formatMib(one.memoryMib),
      one.use.diskMib === null ? "-" : formatMib(one.use.diskMib),
      formatMib(one.diskMib),
    ]),
  ]);
}

export async function host(options: OutputOptions): Promise<void> {
  const found = await connect(options).admin.host();
  await print(found, options, { text: () => console.log(linesOf(found)) });
}

export function linesOf({ load, cpus, memory, disk, machines, environments, pool }: AdminHost): string {
  const whole = (mib: number): string => formatMib(Math.round(mib));
  const missing = pool.reason === null ? "" : `: ${pool.reason}`;
  return [
    `Load: ${[load.one, load.five, load.fifteen].map((one) => one.toFixed(2)).join(" ")}, on ${cpus.total} CPUs`,
    table([
      ["", "TOTAL", "FREE", "PROMISED", "MAY BE PROMISED"],
      ["CPUs", String(cpus.total), "-", String(cpus.promised), String(cpus.limit)],
      ["memory", whole(memory.totalMib), whole(memory.availableMib), whole(memory.promisedMib), whole(memory.limitMib)],
      ["disk", whole(disk.totalMib), whole(disk.freeMib), whole(disk.promisedMib), "-"],
    ]),
    `Environments: ${environments}; ${machines.count} machines with ${formatBytes(machines.memoryBytes)} of memory`,
    `Pool: ${pool.ready} of ${pool.wanted} ready${missing}`,
  ].join("\n");
}

export interface TransferOptions extends ServerOptions {
  readonly name?: string;
  readonly force?: boolean;
}

export async function transfer(
  id: string,
  account: string,
  { name, force, ...options }: TransferOptions,
): Promise<void> {
  const wish = { account, ...(name === undefined ? {} : { name }), force: force === true };
  const given = await connect(options).admin.transfer(id, wish);
  console.log(given.name);
}
