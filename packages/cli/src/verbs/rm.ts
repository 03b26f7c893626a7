import { plainText, type Receipt } from "@microterm/protocol";
import { type Client, RequestError } from "@microterm/sdk";
import { CliError, EXIT, explain, say } from "../failure.ts";
import { type OutputOptions, print } from "../output.ts";
import { connect } from "../server-address.ts";
import { formatBytes } from "../sizes.ts";
import { ask, canAsk, type Decision, running } from "./confirm.ts";
import { power } from "./power.ts";

export interface RmOptions extends OutputOptions {
  readonly force?: boolean;
  readonly all?: boolean;
}

export async function rm(names: readonly string[], options: RmOptions): Promise<void> {
  if (options.all === true ? names.length > 0 : names.length === 0) {
    throw new CliError("rm takes either names or --all.", { hint: "./microterm ls", exitCode: EXIT.usage });
  }
  const client = connect(options);
  const doomed = options.all === true ? (await client.environments.list()).map(({ id, name }) => ({ id, name })) : [];
  const references = options.all === true ? doomed.map(({ id }) => id) : [...new Set(names)];
  const decision = await mayRemove(client, { references, all: doomed.map(({ name }) => name), options });
  if (decision === "pause") return power("pause", references, {});
  if (decision === "no") throw new CliError("Nothing was removed.");
  const outcomes = await Promise.allSettled(references.map((reference) => client.environments.remove(reference)));

  const receipts: Receipt[] = [];
  for (const outcome of outcomes) {
    if (outcome.status === "fulfilled") {
      receipts.push(outcome.value);
      if (options.output === undefined) console.log(describe(outcome.value));
      if (outcome.value.left.length > 0) process.exitCode = EXIT.failure;
    } else if (!(options.force === true && isMissing(outcome.reason))) {
      say(explain(outcome.reason));
      process.exitCode = EXIT.failure;
    }
  }
  await print(receipts, options, { names: receipts.map(({ name }) => name), text: () => undefined });
}

interface Doomed {
  readonly references: readonly string[];
  /** With `--all`: their names. */
  readonly all: readonly string[];
  readonly options: RmOptions;
}

/** Asks where something runs, and whenever all are to go. */
async function mayRemove(client: Client, { references, all, options }: Doomed): Promise<Decision> {
  if (options.force === true || !canAsk()) return "go";
  if (all.length > 0) return ask(`Destroy ${all.join(", ")} with all they hold?`, { mayPause: false });
  const busy = await running(client, references);
  if (busy.length === 0) return "go";
  return ask(`Programs run in ${busy.join(", ")}. Destroy with all that is in there?`, { mayPause: true });
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
    [removed.namespaces, "network namespace", "network namespaces"],
    [removed.links, "link", "links"],
    [removed.flows, "connection", "connections"],
  ] as const;
  const parts = counted.filter(([n]) => n > 0).map(([n, one, many]) => `${n} ${n === 1 ? one : many}`);
  if (removed.diskBytes > 0) parts.push(`${formatBytes(removed.diskBytes)} of disk`);
  const rest = left.length === 0 ? "nothing is left" : `LEFT: ${left.map((item) => plainText(item)).join(", ")}`;
  return `removed ${name} (${environment}): ${parts.join(", ") || "nothing on the host"}; ${rest}`;
}
