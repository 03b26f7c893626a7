import { isUtf8 } from "node:buffer";
import type { Stats } from "node:fs";
import { type FileHandle, lstat, open, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { type Pack, pack } from "tar-stream";
import type { OnSkipped } from "./left-out.ts";
import { encodeMap, findPieces, type Piece, sparseRecords } from "./sparse.ts";

const CHUNK_BYTES = 64 * 1024;

export interface PackOptions {
  readonly onBytes: (bytes: number) => void;
  /** What cannot be read, or carried. */
  readonly onSkipped: OnSkipped;
}

/**
 * A folder as a tar: links as links, files of several names once, holes as holes. `root` is what the folder is called in it;
 * null: only what is in the folder, with names relative to it.
 */
export function packFolder(folder: string, root: string | null, options: PackOptions): AsyncIterable<Uint8Array> {
  const tar = pack();
  new Packer(tar, options).folder(folder, root).then(
    () => tar.finalize(),
    (error: unknown) => tar.destroy(error as Error),
  );
  return tar as AsyncIterable<unknown> as AsyncIterable<Uint8Array>;
}

interface MemberHeader {
  readonly name: string;
  readonly mode: number;
  readonly mtime: Date;
  /** What the header's own fields cannot hold. */
  readonly pax?: Readonly<Record<string, string>>;
}

class Packer {
  readonly #tar: Pack;
  readonly #options: PackOptions;
  /** By device and inode: the name under which a file of several names was sent. */
  readonly #links = new Map<string, string>();

  constructor(tar: Pack, options: PackOptions) {
    this.#tar = tar;
    this.#options = options;
  }

  async folder(folder: string, root: string | null): Promise<void> {
    if (root !== null) this.#tar.entry({ ...headerOf(root, await lstat(`${folder}/.`)), type: "directory" });
    await this.#children(folder, root === null ? "" : `${root}/`);
  }

  async #children(folder: string, prefix: string): Promise<void> {
    const children = await this.#try(folder, () => readdir(folder, { encoding: "buffer" }));
    for (const bytes of children?.sort(Buffer.compare) ?? []) {
      const child = bytes.toString();
      const path = join(folder, child);
      if (!isCarried(bytes)) {
        this.#options.onSkipped(path, "has a name that is no UTF-8, or has a line end in it");
        continue;
      }
      const stats = await this.#try(path, () => lstat(path));
      if (stats !== null) await this.#add(path, prefix + child, stats);
    }
  }

  async #add(path: string, name: string, stats: Stats): Promise<void> {
    const header = headerOf(name, stats);
    if (stats.isDirectory()) {
      this.#tar.entry({ ...header, type: "directory" });
      await this.#children(path, `${name}/`);
    } else if (stats.isSymbolicLink()) {
      const linkname = await this.#try(path, () => readlink(path));
      if (linkname !== null) this.#tar.entry({ ...header, type: "symlink", linkname });
    } else if (stats.isFIFO()) {
      this.#tar.entry({ ...header, type: "fifo" });
    } else if (stats.isFile()) {
      await this.#file(path, header, stats);
    } else {
      this.#options.onSkipped(path, stats.isSocket() ? "is a socket" : "is a device");
    }
  }

  async #file(path: string, header: MemberHeader, stats: Stats): Promise<void> {
    const identity = `${stats.dev}:${stats.ino}`;
    const linkname = this.#links.get(identity);
    if (linkname !== undefined) {
      this.#tar.entry({ ...header, type: "link", linkname });
      return;
    }
    const file = await this.#try(path, () => open(path, "r"));
    if (file === null) return;
    try {
      const pieces = await this.#try(path, () => findPieces(path, stats));
      await this.#send({ path, file, header, size: stats.size, pieces });
    } finally {
      await file.close();
    }
    if (stats.nlink > 1) this.#links.set(identity, header.name);
  }

  async #send(source: {
    readonly path: string;
    readonly file: FileHandle;
    readonly header: MemberHeader;
    readonly size: number;
    readonly pieces: readonly Piece[] | null;
  }): Promise<void> {
    const { path, file, header, size, pieces } = source;
    const map = pieces === null ? Buffer.alloc(0) : encodeMap(pieces, size);
    const data = pieces ?? [[0, size] as const];
    const { promise: written, resolve, reject } = Promise.withResolvers<void>();
    const entry = this.#tar.entry(
      {
        ...header,
        type: "file",
        size: map.length + data.reduce((sum, [, length]) => sum + length, 0),
        // A reader that knows no holes makes a file of this name, and not a wrong one of the right name.
        ...(pieces === null
          ? {}
          : { name: "GNUSparseFile.0/sparse", pax: { ...header.pax, ...sparseRecords(header.name, size) } }),
      },
      (error) => (error ? reject(error) : resolve()),
    );
    const write = async (bytes: Buffer) => {
      if (!entry.write(bytes)) await drained(entry);
    };
    if (map.length > 0) await write(map);
    let isWhole = true;
    for (const [offset, length] of data) {
      for (let at = offset; at < offset + length; ) {
        const buffer = Buffer.alloc(Math.min(CHUNK_BYTES, offset + length - at));
        const count: number = isWhole ? await readAt(file, buffer, at) : 0;
        // The header has announced the size: zeros stand for what is missing.
        isWhole &&= count > 0;
        const bytes = count > 0 ? buffer.subarray(0, count) : buffer;
        at += bytes.length;
        this.#options.onBytes(bytes.length);
        await write(bytes);
      }
    }
    if (!isWhole) this.#options.onSkipped(path, "could not be read to its end, for which zeros stand");
    entry.end(null);
    await written;
  }

  /** What cannot be read is left out by name. */
  async #try<T>(path: string, read: () => Promise<T>): Promise<T | null> {
    try {
      return await read();
    } catch (error) {
      this.#options.onSkipped(path, `cannot be read: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    }
  }
}

/** 0 at the end, and where it cannot be read. */
async function readAt(file: FileHandle, buffer: Buffer, position: number): Promise<number> {
  try {
    return (await file.read(buffer, 0, buffer.length, position)).bytesRead;
  } catch {
    return 0;
  }
}

/** Of tar-stream's field: 31 bits of seconds. */
const MAX_HEADER_TIME = 2 ** 31;

function headerOf(name: string, stats: Stats): MemberHeader {
  const seconds = Math.floor(stats.mtimeMs / 1000);
  const isHeld = seconds >= 0 && seconds < MAX_HEADER_TIME;
  return {
    name,
    mode: stats.mode & 0o777,
    mtime: isHeld ? stats.mtime : new Date(0),
    ...(isHeld ? {} : { pax: { mtime: String(seconds) } }),
  };
}

/** The guest's reader of pax headers, in which such names travel, ends a name at its first line end. */
function isCarried(name: Buffer): boolean {
  return isUtf8(name) && !name.includes(0x0a);
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
