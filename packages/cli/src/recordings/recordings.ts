import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Recording } from "@microterm/protocol";
import type { Client } from "@microterm/sdk";
import { replaceFile } from "../copy/partial-file.ts";
import { CliError, say } from "../failure.ts";
import { type OutputOptions, print } from "../output.ts";
import { connect, type ServerOptions } from "../server-address.ts";
import { formatBytes } from "../sizes.ts";
import { table } from "../verbs/ls.ts";

/** What `-o json` has of a recording. */
type Listed = Recording & { readonly terminal: string };

export async function start(name: string, terminal: string | undefined, options: OutputOptions): Promise<void> {
  await set(name, { terminal, enabled: true }, options);
}

export async function stop(name: string, terminal: string | undefined, options: OutputOptions): Promise<void> {
  await set(name, { terminal, enabled: false }, options);
}

async function set(
  name: string,
  { terminal, enabled }: { readonly terminal: string | undefined; readonly enabled: boolean },
  options: OutputOptions,
): Promise<void> {
  const client = connect(options);
  const id = terminal ?? (await onlyOf(client, name, (one) => one.enabled !== enabled));
  const recording = { terminal: id, ...(await client.recordings.set(name, id, enabled)) };
  const next = enabled ? `record stop ${name} ${id}` : `record save ${name} ${id} FILE`;
  const text = (): void => {
    console.log(id);
    say(
      `${enabled ? "It is recorded, also when nobody looks" : "It is kept with the environment"}. Next: ./microterm ${next}`,
    );
  };
  await print(recording, options, { names: [id], text });
}

export async function list(name: string, options: OutputOptions): Promise<void> {
  const found = (await all(connect(options), name)).filter(exists);
  await print(found, options, {
    names: found.map(({ terminal }) => terminal),
    text: () => {
      if (found.length === 0) say(`No terminal of ${name} was recorded. Try: ./microterm record ${name}`);
      else console.log(tableOf(found));
    },
  });
}

export function tableOf(recordings: readonly Listed[]): string {
  const rows = recordings.map(({ terminal, startedAt, bytes, enabled, isFull }) => [
    ...[terminal, startedAt?.replace(/\.\d+Z$/, "Z") ?? "-", formatBytes(bytes)],
    enabled ? "recording" : isFull ? "full" : "stopped",
  ]);
  return table([["TERMINAL", "BEGAN", "SIZE", "STATE"], ...rows]);
}

/** Writes the recording to `file`, which is there when it is whole, or to standard output. */
export async function save(name: string, words: readonly string[], options: ServerOptions): Promise<void> {
  const client = connect(options);
  const [terminal, file] = words.length === 2 ? words : [await onlyOf(client, name, exists), words[0]];
  const { body } = await client.recordings.download(name, terminal as string);
  if (body === null) throw new CliError("The server sent no recording.");
  const bytes = Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]);
  if (file === undefined || file === "-") return pipeline(bytes, process.stdout, { end: false });
  await replaceFile(file, (partial) => pipeline(bytes, createWriteStream(partial, { flags: "wx" })));
  say(`Play it with: asciinema play ${file}`);
}

export async function remove(name: string, terminal: string | undefined, options: ServerOptions): Promise<void> {
  const client = connect(options);
  const id = terminal ?? (await onlyOf(client, name, exists));
  await client.recordings.remove(name, id);
  console.log(id);
}

const exists = ({ startedAt }: Recording): boolean => startedAt !== null;

async function all(client: Client, name: string): Promise<readonly Listed[]> {
  const terminals = await client.terminals.list(name);
  return Promise.all(terminals.map(async ({ id }) => ({ terminal: id, ...(await client.recordings.get(name, id)) })));
}

/** The one terminal whose recording is of that kind. */
async function onlyOf(client: Client, name: string, isWanted: (one: Recording) => boolean): Promise<string> {
  const there = await all(client, name);
  const [only, another] = there.filter(isWanted);
  if (only !== undefined && another === undefined) return only.terminal;
  if (there.length === 0) throw new CliError(`${name} has no terminal.`, { hint: `./microterm attach ${name}` });
  throw new CliError(
    only === undefined
      ? `${name} has no terminal of which that can be asked.`
      : `Name the terminal: ${name} has ${there.map(({ terminal }) => terminal).join(", ")}.`,
    { hint: `./microterm terminals ${name}` },
  );
}
