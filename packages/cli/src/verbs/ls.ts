import type { Environment } from "@microterm/protocol";
import { onStdout } from "../colors.ts";
import { say } from "../failure.ts";
import { plain } from "../plain-text.ts";
import { connect, type ServerOptions } from "../server-address.ts";
import { formatMib } from "../sizes.ts";

export async function ls(options: ServerOptions & { readonly output?: "json" | "name" }): Promise<void> {
  const environments = await connect(options).environments.list();
  if (options.output === "json") return console.log(JSON.stringify(environments, null, 2));
  if (options.output === "name") {
    for (const { name } of environments) console.log(name);
    return;
  }
  if (environments.length === 0) return say("No environments yet. Try: ./microterm create");
  console.log(
    table([
      ["NAME", "ID", "STATE", "SIZE", "CPUS", "MEMORY", "DISK", "ISOLATION", "CREATED"],
      ...environments.map(row),
    ]),
  );
}

function row(environment: Environment): string[] {
  const { name, id, size, cpus, memoryMib, diskMib, isolation, accelerator, createdAt } = environment;
  return [
    name,
    id,
    stateWords(environment),
    size ?? "custom",
    String(cpus),
    formatMib(memoryMib),
    formatMib(diskMib),
    isolation === "vm" ? `vm (${accelerator})` : isolation === "emulated" ? "emulated" : "none (process)",
    createdAt.replace(/\.\d+Z$/, "Z"),
  ];
}

/** `running`, `running: stop`, `running, not responding`, `creating: kernel (second attempt: …)`, `failed: the VMM died`. */
export function stateWords({ state, operation, step, reason, unresponsiveSince }: StateFacts): string {
  if (unresponsiveSince !== null) return `${state}, not responding`;
  const isSaid = operation === "pause" || operation === "stop";
  const doing = step ?? (isSaid ? operation : null);
  const why = reason === null ? null : plain(reason).slice(0, 60);
  if (doing === null) return why === null ? state : `${state}: ${why}`;
  return `${state}: ${doing}${why === null ? "" : ` (${why})`}`;
}

type StateFacts = Pick<Environment, "state" | "operation" | "step" | "reason" | "unresponsiveSince">;

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
