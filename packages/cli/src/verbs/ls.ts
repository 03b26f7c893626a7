import type { Environment } from "@microterm/protocol";
import { quotaWords } from "../accounts/limits.ts";
import { onStdout } from "../colors.ts";
import { say } from "../failure.ts";
import { type OutputOptions, print } from "../output.ts";
import { connect } from "../server-address.ts";
import { formatMib } from "../sizes.ts";
import { durationWords, noticeWords, stateWords } from "../words.ts";

export async function ls(options: OutputOptions): Promise<void> {
  const client = connect(options);
  const environments = await client.environments.list();
  const names = environments.map(({ name }) => name);
  await print(environments, options, { names, text: () => show(client, environments) });
}

async function show(client: ReturnType<typeof connect>, environments: readonly Environment[]): Promise<void> {
  if (environments.length === 0) return say("No environments yet. Try: ./microterm create");
  const now = Date.now();
  console.log(
    table([
      ["NAME", "ID", "STATE", "SIZE", "CPUS", "MEMORY", "DISK", "ISOLATION", "CREATED", "EXPIRES"],
      ...environments.map((one) => row(one, now)),
    ]),
  );
  const used = quotaWords(await client.quotas.own());
  if (used !== null) say(used);
  for (const { name, notice } of environments) if (notice !== null) say(noticeWords(name, notice, now));
}

function row(environment: Environment, now: number): string[] {
  const { name, id, size, cpus, memoryMib, diskMib, isolation, accelerator, createdAt, expiresAt } = environment;
  return [
    name,
    id,
    stateWords(environment),
    size ?? "custom",
    String(cpus),
    formatMib(memoryMib),
    formatMib(diskMib),
    isolationOf(isolation, accelerator),
    createdAt.replace(/\.\d+Z$/, "Z"),
    expiresAt === null ? "never" : `in ${durationWords(Date.parse(expiresAt) - now)}`,
  ];
}

function isolationOf(isolation: Environment["isolation"], accelerator: string): string {
  switch (isolation) {
    case "vm":
      return `vm (${accelerator})`;
    case "none":
      return "none (process)";
    default:
      return isolation;
  }
}

/** Columns as wide as their widest cell; the first row is the heading. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  const lines = rows.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return [onStdout.bold(lines[0] ?? ""), ...lines.slice(1)].join("\n");
}
