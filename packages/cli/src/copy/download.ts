import { createWriteStream } from "node:fs";
import { lstat, mkdir, realpath, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { FileEntry } from "@microterm/protocol";
import type { Client } from "@microterm/sdk";
import { CliError } from "../failure.ts";
import { extractTar } from "./extract.ts";
import type { OnSkipped } from "./left-out.ts";
import { meansContents, nameOf, statLocal, statRemote } from "./location.ts";
import { replaceFile } from "./partial-file.ts";
import { CopyProgress } from "./progress.ts";
import { writeWithHoles } from "./sparse.ts";

export interface Download {
  readonly client: Client;
  readonly environment: string;
  /** Inside the environment. */
  readonly path: string;
  readonly destination: string;
  readonly onSkipped: OnSkipped;
}

export async function download(options: Download): Promise<void> {
  const { client, environment, path, destination } = options;
  const entry = await statRemote(client, environment, path);
  if (entry === null)
    throw new CliError(`${environment}:${path} does not exist.`, { hint: `./microterm exec ${environment} ls` });
  const there = statLocal(destination);
  const parent = dirname(destination);
  if (there === null && statLocal(parent) === null) throw new CliError(`${parent} does not exist here.`);
  if (entry.type === "directory") {
    if (there !== null && !there.isDirectory()) throw new CliError(`${destination} is not a folder.`);
    const into = there === null || meansContents(path) ? destination : join(destination, nameOf(path));
    const isNew = statLocal(into) === null;
    if (isNew) await mkdir(into);
    await downloadFolder(options, entry, { into, isNew });
    return;
  }
  if (entry.type === "other") throw new CliError(`${environment}:${path} is neither a file nor a folder.`);
  if (there === null && destination.endsWith("/")) throw new CliError(`${destination} does not exist.`);
  const target = there?.isDirectory() === true ? join(destination, nameOf(path)) : destination;
  await downloadFile(options, entry, target);
}

async function downloadFolder(
  options: Download,
  entry: FileEntry,
  target: { readonly into: string; readonly isNew: boolean },
): Promise<void> {
  const { client, environment, onSkipped } = options;
  const response = await client.files.readTar(environment, entry.path);
  const progress = new CopyProgress(`${environment}:${options.path}`, null);
  try {
    await extractTar(bodyOf(response), { ...target, onBytes: (bytes) => progress.add(bytes), onSkipped });
  } finally {
    await response.body?.cancel().catch(() => {});
    progress.end();
  }
}

async function downloadFile(options: Download, entry: FileEntry, target: string): Promise<void> {
  const { client, environment } = options;
  const response = await client.files.read(environment, entry.path);
  const progress = new CopyProgress(`${environment}:${options.path}`, entry.size);
  const body = counted(bodyOf(response), progress);
  try {
    const there = statLocal(target);
    if (there !== null && !there.isFile()) {
      // A pipe or a device of the person's own choice.
      await pipeline(Readable.from(body, { objectMode: false }), createWriteStream(target));
      return;
    }
    // As cp(1) has it.
    if (there === null && (await lstat(target).catch(() => null)) !== null)
      throw new CliError(`${target} is a link that leads nowhere.`, {
        hint: "Remove it, or name what it should lead to.",
      });
    // Beside the target and renamed, so that a broken copy leaves what was there.
    const final = there === null ? target : await realpath(target);
    await replaceFile(final, async (partial) => {
      await writeWithHoles(partial, entry.mode & 0o777, body);
      const modified = new Date(entry.modifiedAt);
      await utimes(partial, modified, modified);
    });
  } finally {
    progress.end();
  }
}

async function* counted(source: AsyncIterable<Uint8Array>, progress: CopyProgress): AsyncGenerator<Uint8Array> {
  for await (const bytes of source) {
    progress.add(bytes.length);
    yield bytes;
  }
}

function bodyOf(response: Response): AsyncIterable<Uint8Array> {
  return (response.body ?? new ReadableStream<Uint8Array>()) as unknown as AsyncIterable<Uint8Array>;
}
