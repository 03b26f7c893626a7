import { createInterface } from "node:readline/promises";
import { printableJson, type Receipt } from "@microterm/protocol";
import { RequestError } from "@microterm/sdk";
import { CliError, EXIT, explain, say } from "../failure.ts";
import { plain } from "../plain-text.ts";
import { connect, type ServerOptions } from "../server-address.ts";
import { formatBytes } from "../sizes.ts";

export interface RmOptions extends ServerOptions {
  readonly force?: boolean;
  readonly all?: boolean;
  readonly output?: "json";
}

export async function rm(names: readonly string[], options: RmOptions): Promise<void> {
  if (options.all === true ? names.length > 0 : names.length === 0) {
    throw new CliError("rm takes either names or --all.", { hint: "./microterm ls", exitCode: EXIT.usage });
  }
  const client = connect(options);
  const doomed = options.all === true ? (await client.environments.list()).map(({ id, name }) => ({ id, name })) : [];
  if (
    doomed.length > 0 &&
    !(await mayRemove(
      doomed.map(({ name }) => name),
      options,
    ))
  ) {
    throw new CliError("Nothing was removed.");
  }
  const references = options.all === true ? doomed.map(({ id }) => id) : [...new Set(names)];
  const outcomes = await Promise.allSettled(references.map((reference) => client.environments.remove(reference)));

  const receipts: Receipt[] = [];
  for (const outcome of outcomes) {
    if (outcome.status === "fulfilled") {
      receipts.push(outcome.value);
      if (options.output !== "json") console.log(describe(outcome.value));
      if (outcome.value.left.length > 0) process.exitCode = EXIT.failure;
    } else if (!(options.force === true && isMissing(outcome.reason))) {
      say(explain(outcome.reason));
      process.exitCode = EXIT.failure;
    }
  }
  if (options.output === "json") console.log(printableJson(receipts));
}

/** Asks on a terminal only: a script has said `--all` and means it. */
async function mayRemove(names: readonly string[], { force }: RmOptions): Promise<boolean> {
  if (force === true || !process.stdin.isTTY || !process.stderr.isTTY) return true;
  const dialogue = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await dialogue.question(`Destroy ${names.join(", ")} with all they hold? [y/N] `);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    dialogue.close();
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof RequestError && error.code === "ENVIRONMENT_NOT_FOUND";
}

export function describe({ name, environment, removed, left }: Receipt): string {
  const counted = [
    [removed.processes, "process", "processes"],
    [removed.cgroups, "cgroup", "cgroups"],
    [removed.sockets, "socket", "sockets"],
    [removed.files, "file", "files"],
    [removed.uids, "uid", "uids"],
  ] as const;
  const parts = counted.filter(([n]) => n > 0).map(([n, one, many]) => `${n} ${n === 1 ? one : many}`);
  if (removed.diskBytes > 0) parts.push(`${formatBytes(removed.diskBytes)} of disk`);
  const rest = left.length === 0 ? "nothing is left" : `LEFT: ${left.map((item) => plain(item)).join(", ")}`;
  return `removed ${name} (${environment}): ${parts.join(", ") || "nothing on the host"}; ${rest}`;
}
