import { createReadStream } from "node:fs";
import { posix } from "node:path";
import type { FileEntry } from "@microterm/protocol";
import type { Client } from "@microterm/sdk";
import { CliError } from "../failure.ts";
import { type OnSkipped, tellMore } from "./left-out.ts";
import { joinRemote, meansContents, nameOf, statLocal, statRemote } from "./location.ts";
import { packFolder } from "./pack.ts";
import { CopyProgress } from "./progress.ts";

export interface Upload {
  readonly client: Client;
  readonly source: string;
  readonly environment: string;
  /** Inside the environment. */
  readonly path: string;
  readonly onSkipped: OnSkipped;
}

export async function upload(options: Upload): Promise<void> {
  const { client, source, environment, path } = options;
  const stats = statLocal(source);
  if (stats === null) throw new CliError(`${source} does not exist here.`);
  if (!stats.isDirectory() && !stats.isFile()) throw new CliError(`${source} is neither a file nor a folder.`);
  const there = await statRemote(client, environment, path);
  if (stats.isDirectory()) {
    await uploadFolder(options, await placeOf(options, there));
    return;
  }
  if (there === null && path.endsWith("/")) throw new CliError(`${environment}:${path} does not exist.`);
  const target = there?.type === "directory" ? joinRemote(path, nameOf(source)) : (there?.path ?? path);
  const progress = new CopyProgress(source, stats.size);
  try {
    const body = counted(createReadStream(source), (bytes) => progress.add(bytes));
    await client.files.write(environment, target, ReadableStream.from(body), {
      mode: stats.mode & 0o777,
      modifiedAt: stats.mtime.toISOString(),
    });
  } finally {
    progress.end();
  }
}

/** Where a folder goes: an existing folder, and its name there; no name for a folder's contents. */
interface Place {
  readonly parent: string;
  readonly name: string | null;
}

async function placeOf({ client, source, environment, path }: Upload, there: FileEntry | null): Promise<Place> {
  const isFolder = (entry: FileEntry | null, named: string) => {
    if (entry !== null && entry.type !== "directory") throw new CliError(`${environment}:${named} is not a folder.`);
  };
  isFolder(there, path);
  if (there !== null && meansContents(source)) return { parent: path, name: null };
  const wanted = there === null ? path : joinRemote(path, nameOf(source));
  const found = there === null ? null : await statRemote(client, environment, wanted);
  isFolder(found, wanted);
  const target = posix.normalize(found?.path ?? wanted).replace(/\/$/, "");
  const place = { parent: posix.dirname(target), name: posix.basename(target) };
  await client.files.makeDirectory(environment, place.parent);
  return place;
}

async function uploadFolder({ client, source, environment, onSkipped }: Upload, place: Place): Promise<void> {
  const progress = new CopyProgress(source, null);
  let failure: unknown;
  try {
    const tar = packFolder(source, place.name, { onBytes: (bytes) => progress.add(bytes), onSkipped });
    // fetch() says of a body that fails no more than that it failed.
    const body = counted(
      tar,
      () => {},
      (error) => {
        failure = error;
      },
    );
    const { leftOut, leftOutCount } = await client.files.writeTar(environment, place.parent, ReadableStream.from(body));
    for (const { path, reason } of leftOut) onSkipped(path, reason);
    tellMore(leftOutCount - leftOut.length, onSkipped);
  } catch (error) {
    throw failure ?? error;
  } finally {
    progress.end();
  }
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
  onError: (error: unknown) => void = () => {},
): AsyncGenerator<Uint8Array> {
  try {
    for await (const bytes of source) {
      onBytes(bytes.length);
      yield bytes;
    }
  } catch (error) {
    onError(error);
    throw error;
  }
}
