import { isUtf8 } from "node:buffer";
import { createReadStream } from "node:fs";
import { lstat, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { type Pack, pack } from "tar-stream";
import { CliError } from "../failure.ts";

export interface PackOptions {
  readonly onBytes: (bytes: number) => void;
  /** A socket, device or pipe, which is left out. */
  readonly onSkipped: (path: string, why: string) => void;
}

/** What is in a folder as a tar, names relative to it, links as links. */
export function packFolder(folder: string, options: PackOptions): AsyncIterable<Uint8Array> {
  const tar = pack();
  addFolder(tar, folder, "", options).then(
    () => tar.finalize(),
    (error: unknown) => tar.destroy(error as Error),
  );
  return tar as AsyncIterable<unknown> as AsyncIterable<Uint8Array>;
}

async function addFolder(tar: Pack, folder: string, prefix: string, options: PackOptions): Promise<void> {
  for (const bytes of (await readdir(folder, { encoding: "buffer" })).sort(Buffer.compare)) {
    const child = bytes.toString();
    const path = join(folder, child);
    if (!isCarried(bytes)) {
      options.onSkipped(path, "has a name that is no UTF-8, or has a line end in it");
      continue;
    }
    const name = prefix + child;
    const stats = await lstat(path);
    const header = { name, mode: stats.mode & 0o777, mtime: stats.mtime };
    if (stats.isDirectory()) {
      tar.entry({ ...header, type: "directory" });
      await addFolder(tar, path, `${name}/`, options);
    } else if (stats.isSymbolicLink()) {
      tar.entry({ ...header, type: "symlink", linkname: await readlink(path) });
    } else if (stats.isFile()) {
      await addFile(tar, path, { ...header, type: "file", size: stats.size }, options);
    } else {
      options.onSkipped(path, "is no file, folder or link");
    }
  }
}

/** The guest's reader of pax headers, in which such names travel, ends a name at its first line end. */
function isCarried(name: Buffer): boolean {
  return isUtf8(name) && !name.includes(0x0a);
}

async function addFile(
  tar: Pack,
  path: string,
  header: { readonly name: string; readonly type: "file"; readonly size: number },
  options: PackOptions,
): Promise<void> {
  const { promise: written, resolve, reject } = Promise.withResolvers<void>();
  const entry = tar.entry(header, (error) => (error ? reject(error) : resolve()));
  // A tar says the size first: a file that grows meanwhile is copied as it was, one that shrinks cannot be.
  let copied = 0;
  if (header.size > 0) {
    for await (const bytes of createReadStream(path, { end: header.size - 1 }) as AsyncIterable<Buffer>) {
      copied += bytes.length;
      options.onBytes(bytes.length);
      if (!entry.write(bytes)) await drained(entry);
    }
  }
  if (copied < header.size) throw new CliError(`${path} became smaller while it was copied.`);
  entry.end(null);
  await written;
}

function drained(entry: ReturnType<Pack["entry"]>): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      entry.off("drain", finish).off("close", finish);
      resolve();
    };
    entry.on("drain", finish).on("close", finish);
  });
}
