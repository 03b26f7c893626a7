import { createReadStream } from "node:fs";
import type { Client } from "@microterm/sdk";
import { CliError } from "../failure.ts";
import { joinRemote, meansContents, nameOf, statLocal, statRemote } from "./location.ts";
import { packFolder } from "./pack.ts";
import { CopyProgress } from "./progress.ts";

export interface Upload {
  readonly client: Client;
  readonly source: string;
  readonly environment: string;
  /** Inside the environment. */
  readonly path: string;
  readonly onSkipped: (member: string, why: string) => void;
}

export async function upload(options: Upload): Promise<void> {
  const { client, source, environment, path } = options;
  const stats = statLocal(source);
  if (stats === null) throw new CliError(`${source} does not exist here.`);
  if (!stats.isDirectory() && !stats.isFile()) throw new CliError(`${source} is neither a file nor a folder.`);
  const there = await statRemote(client, environment, path);
  if (stats.isDirectory()) {
    if (there !== null && there.type !== "directory") throw new CliError(`${environment}:${path} is not a folder.`);
    const target = there === null || meansContents(source) ? path : joinRemote(path, nameOf(source));
    await client.files.makeDirectory(environment, target);
    await uploadFolder(options, target);
    return;
  }
  if (there === null && path.endsWith("/")) throw new CliError(`${environment}:${path} does not exist.`);
  const target = there?.type === "directory" ? joinRemote(path, nameOf(source)) : (there?.path ?? path);
  const progress = new CopyProgress(source, stats.size);
  try {
    const body = counted(createReadStream(source), (bytes) => progress.add(bytes));
    await client.files.write(environment, target, ReadableStream.from(body), { mode: stats.mode & 0o777 });
  } finally {
    progress.end();
  }
}

async function uploadFolder({ client, source, environment, onSkipped }: Upload, target: string): Promise<void> {
  const progress = new CopyProgress(source, null);
  let failure: unknown;
  try {
    const tar = packFolder(source, { onBytes: (bytes) => progress.add(bytes), onSkipped });
    // fetch() says of a body that fails no more than that it failed.
    const body = counted(
      tar,
      () => {},
      (error) => {
        failure = error;
      },
    );
    await client.files.writeTar(environment, target, ReadableStream.from(body));
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
