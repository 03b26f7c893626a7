import { type Environment, plainText } from "@microterm/protocol";
import type { Client } from "@microterm/sdk";
import { CliError, nextCommand, say } from "../failure.ts";
import { connect, type ServerOptions } from "../server-address.ts";
import { attachShared, findShared } from "../sharing/attach-shared.ts";
import { AttachedScreen, exitAfter } from "../terminal/attached-screen.ts";
import { describeKeys, parseDetachKeys } from "../terminal/detach-keys.ts";
import { stateWords } from "../words.ts";

export interface AttachOptions extends ServerOptions {
  readonly terminal?: string;
  readonly detachKeys: string;
}

export async function attach(name: string, options: AttachOptions): Promise<void> {
  const keys = parseDetachKeys(options.detachKeys);
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new CliError("attach needs a terminal on standard input and output.", {
      hint: `./microterm exec -i ${name} bash`,
    });
  }
  const client = connect(options);
  const environment = await client.environments
    .get(name)
    .catch(async (error: unknown) => attachShared(client, await findShared(client, name, error), keys));
  if (environment.state !== "running") {
    throw new CliError(`${environment.name} is ${environment.state}, so it has no terminal.`, {
      hint: nextCommand(environment) ?? `./microterm inspect ${environment.name}`,
    });
  }
  const terminal = await chooseTerminal(client, environment, options.terminal);
  say(`Attached to ${environment.name}. Leave it running with ${describeKeys(keys)}.`);

  const end = await new AttachedScreen({
    open: (request) => client.attachTerminal({ ...request, environment: environment.id, terminal }),
    ...{ detachKeys: keys, isShared: false },
  }).run();
  if (end.kind === "gone") {
    throw end.error ?? (await whyGone(client, environment)) ?? new CliError(`It is gone: ${plainText(end.reason)}.`);
  }
  const { name: own } = environment;
  exitAfter(end, { from: own, what: `terminal of ${own}`, again: `./microterm attach ${own}` });
}

/** What has become of an environment whose terminal has gone; null where it runs. */
async function whyGone(client: Client, { id }: Environment): Promise<unknown> {
  try {
    const now = await client.environments.get(id);
    if (now.state === "running") return null;
    return new CliError(`${now.name} is ${stateWords(now)}.`, { hint: nextCommand(now) ?? "./microterm ls" });
  } catch (error) {
    return error;
  }
}

/** The one that was asked for, else the oldest live one, else a new one. */
async function chooseTerminal(client: Client, environment: Environment, wanted: string | undefined): Promise<string> {
  const terminals = await client.terminals.list(environment.id);
  if (wanted !== undefined) {
    const found = terminals.find(({ id }) => id === wanted);
    if (found !== undefined) return found.id;
    const there = terminals.map(({ id }) => id).join(", ") || "none";
    throw new CliError(`${environment.name} has no terminal ${wanted}; there are: ${there}.`);
  }
  const live = terminals.filter(({ exit }) => exit === null);
  const [oldest] = live.sort((a, b) => a.createdAt.localeCompare(b.createdAt));
  if (oldest !== undefined) return oldest.id;
  const size = { cols: process.stdout.columns ?? 80, rows: process.stdout.rows ?? 24 };
  return (await client.terminals.create(environment.id, size)).id;
}
