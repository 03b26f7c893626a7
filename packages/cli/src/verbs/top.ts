import { setTimeout as delay } from "node:timers/promises";
import type { Environment, Usage } from "@microterm/protocol";
import type { Client } from "@microterm/sdk";
import { CliError, say } from "../failure.ts";
import { type OutputOptions, print } from "../output.ts";
import { connect } from "../server-address.ts";
import { formatMib } from "../sizes.ts";
import { table } from "./ls.ts";

/** CPU time is told as a sum: a share needs two looks. */
const BETWEEN_LOOKS_MS = 1000;
const EVERY_MS = 2000;
/** Cursor to the top left, and what is below it erased (ECMA-48, CUP and ED). */
const REDRAW = "\x1b[H\x1b[J";
/** To the alternate screen without a cursor, and back (xterm's control sequences, DECSET 1049 and 25). */
const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";

interface Sample {
  readonly environment: Environment;
  /** Null: it did not answer. */
  readonly usage: Usage | null;
  readonly at: number;
}

/** One row as it is printed as JSON. CPU in percent of one processor; null where it is not known. */
export interface Use {
  readonly name: string;
  readonly id: string;
  readonly cpuPercent: number | null;
  readonly cpus: number;
  /** The most that it may use; null where its driver limits nothing. */
  readonly cpuLimitPercent: number | null;
  readonly memoryMib: number | null;
  readonly memoryLimitMib: number;
  readonly diskMib: number | null;
  readonly diskLimitMib: number;
  readonly processes: number | null;
}

/** Follows what running environments use until it is interrupted; once, where standard output is no terminal. */
export async function top(
  names: readonly string[],
  options: OutputOptions & { readonly once?: boolean },
): Promise<void> {
  const client = connect(options);
  let before = await look(client, names);
  await delay(BETWEEN_LOOKS_MS);
  let now = await look(client, names);
  if (options.output !== undefined || options.once === true || !process.stdout.isTTY) {
    const uses = usesOf(before, now);
    return print(uses, options, {
      names: uses.map(({ name }) => name),
      text: () => (uses.length === 0 ? say("Nothing runs. Try: ./microterm create") : console.log(tableOf(uses))),
    });
  }
  process.stdout.write(ENTER);
  let hasLeft = false;
  const leave = (): void => {
    if (!hasLeft) process.stdout.write(LEAVE);
    hasLeft = true;
  };
  process.on("exit", leave);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(0));
  try {
    for (;;) {
      const uses = usesOf(before, now);
      process.stdout.write(`${REDRAW}${uses.length === 0 ? "Nothing runs." : tableOf(uses)}\n\nCtrl-C ends it.\n`);
      await delay(EVERY_MS);
      before = now;
      now = await look(client, names);
    }
  } finally {
    // Before the error is printed, which else would go with the alternate screen.
    leave();
  }
}

async function look(client: Client, names: readonly string[]): Promise<readonly Sample[]> {
  const environments =
    names.length === 0
      ? await client.environments.list()
      : await Promise.all(names.map((name) => client.environments.get(name)));
  const stopped = environments.find(({ state }) => state !== "running");
  if (names.length > 0 && stopped !== undefined)
    throw new CliError(`${stopped.name} is ${stopped.state}: only a running environment uses anything.`);
  return Promise.all(
    environments
      .filter(({ state }) => state === "running")
      .map(async (environment) => {
        const usage = await client.environments.metrics(environment.id).catch(() => null);
        return { environment, usage, at: performance.now() };
      }),
  );
}

export function usesOf(before: readonly Sample[], now: readonly Sample[]): Use[] {
  return now.map((sample) => {
    const { environment, usage } = sample;
    const { name, id, cpus, memoryMib, diskMib, limits } = environment;
    const earlier = before.find((one) => one.environment.id === id);
    return {
      ...{ name, id, cpus },
      cpuPercent: earlier === undefined ? null : shareOf(earlier, sample),
      cpuLimitPercent: limits?.cpuQuotaPercent ?? null,
      memoryMib: usage === null ? null : usedMib(usage),
      memoryLimitMib: memoryMib,
      diskMib: usage === null ? null : usedDiskMib(usage),
      diskLimitMib: diskMib,
      processes: usage?.guest.processes ?? null,
    };
  });
}

/** Percent of one processor of the host; of the guest, where the host does not count. Null after a restart between the two looks. */
function shareOf(before: Sample, now: Sample): number | null {
  const busy = (usage: Usage): number => usage.host?.cpuMs ?? usage.guest.cpu.userMs + usage.guest.cpu.systemMs;
  if (before.usage === null || now.usage === null) return null;
  const ms = busy(now.usage) - busy(before.usage);
  return ms < 0 ? null : Math.round((1000 * ms) / Math.max(1, now.at - before.at)) / 10;
}

/** Inside of the guest: what its programs and its kernel have, without what could be had back at once. */
const usedMib = ({ guest: { memory } }: Usage): number => Math.round((memory.totalKib - memory.availableKib) / 1024);

const usedDiskMib = ({ guest: { disk } }: Usage): number => Math.round((disk.totalKib - disk.freeKib) / 1024);

function tableOf(uses: readonly Use[]): string {
  const known = (value: number | null, unit = ""): string => (value === null ? "-" : `${value}${unit}`);
  return table([
    ["NAME", "ID", "CPU", "OF", "MEMORY", "OF", "DISK", "OF", "PROCESSES"],
    ...uses.map((one) => [
      one.name,
      one.id,
      known(one.cpuPercent, " %"),
      known(one.cpuLimitPercent, " %"),
      one.memoryMib === null ? "-" : formatMib(one.memoryMib),
      formatMib(one.memoryLimitMib),
      one.diskMib === null ? "-" : formatMib(one.diskMib),
      formatMib(one.diskLimitMib),
      known(one.processes),
    ]),
  ]);
}
