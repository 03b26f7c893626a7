import { isUtf8 } from "node:buffer";
import { constants } from "node:fs";
import { link, lstat, open, rm, symlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { type Extract, extract, type Header } from "tar-stream";
import { Folders } from "./folders.ts";
import { tellLeftOut } from "./left-out.ts";
import { componentsOf, HostileTarError, staysInside } from "./member.ts";
import { BadMapError, readSparseRecords, writeSparse } from "./sparse.ts";

type Entry = Extract extends AsyncIterable<infer Member> ? Member : never;

/** More than any home folder holds. */
const MAX_MEMBERS = 1_000_000;

export interface ExtractOptions {
  /** An existing folder. */
  readonly into: string;
  /** It was made for this copy, and becomes what the copied one is. */
  readonly isNew: boolean;
  readonly onBytes: (bytes: number) => void;
  /** A member that is left out: a special file, a link that leads out of the folder, or what the guest could not read. */
  readonly onSkipped: (member: string, why: string) => void;
  readonly maxMembers?: number;
}

/**
 * Extracts a tar that a guest has made. Nothing is written outside of `into`, whatever the tar says: names are checked,
 * every folder on the way to a member must be a folder and no link (also one that was here before), and files are
 * created, never opened through something that is there.
 * @throws HostileTarError
 */
export async function extractTar(tar: AsyncIterable<Uint8Array>, options: ExtractOptions): Promise<void> {
  // A byte a character: what is no UTF-8 can be detected then.
  const parser = extract({ filenameEncoding: "latin1" } as object);
  const feeding = feed(tar, parser);
  // The loop below ends with the parser's error, of which this one is the cause.
  feeding.catch(() => {});
  const folders = new Folders(options.into, options);
  const extraction: Extraction = { folders, files: new Set(), leftOut: new Set(), options };
  let members = 0;
  for await (const entry of parser) {
    members += 1;
    if (members > (options.maxMembers ?? MAX_MEMBERS)) throw new HostileTarError(entry.header.name, "is one too many");
    await extractMember(entry, extraction);
  }
  await feeding;
  await folders.finish();
}

interface Extraction {
  readonly folders: Folders;
  /** Paths of files that were written here, to which a hard link may point. */
  readonly files: Set<string>;
  /** Names, as they stand in the tar, of what was left out. */
  readonly leftOut: Set<string>;
  readonly options: ExtractOptions;
}

async function feed(tar: AsyncIterable<Uint8Array>, parser: Extract): Promise<void> {
  try {
    for await (const bytes of tar) {
      if (parser.destroyed) return;
      if (!parser.write(bytes)) await new Promise<void>((done) => onceDrained(parser, done));
    }
    parser.end(null);
  } catch (error) {
    parser.destroy(error as Error);
    throw error;
  }
}

function onceDrained(parser: Extract, done: () => void): void {
  const finish = () => {
    parser.off("drain", finish).off("close", finish);
    done();
  };
  parser.on("drain", finish).on("close", finish);
}

async function extractMember(entry: Entry, { folders, files, leftOut, options }: Extraction): Promise<void> {
  const { header } = entry;
  const pax = paxOf(header);
  tellLeftOut(pax, options.onSkipped);
  const skip = (shown: string, why: string) => {
    leftOut.add(header.name);
    options.onSkipped(shown, why);
    entry.resume();
  };
  const sparse = readSparseRecords(pax);
  if (sparse === "unknown") return skip(header.name, "is a sparse file in a format that is not known here");
  const name = decodeName(header.name, sparse?.name ?? pax.path);
  if (name === null) return skip(header.name, "has a name that is no UTF-8");
  const components = componentsOf(name);
  if (components.length === 0) {
    if (header.type !== "directory") throw new HostileTarError(name, "takes the place of the folder itself");
    folders.describe([], { mode: header.mode, mtime: timeOf(header) });
    entry.resume();
    return;
  }
  const path = join(options.into, ...components);
  switch (header.type) {
    case "directory":
      await folders.make(components, name);
      folders.describe(components, { mode: header.mode, mtime: timeOf(header) });
      break;
    case "file":
    case "contiguous-file":
      await folders.make(components.slice(0, -1), name);
      await clear(path, name);
      await writeFile(path, entry, name, sparse?.size ?? null, options.onBytes);
      await setTimes(path, timeOf(header));
      files.add(path);
      return;
    case "symlink": {
      const target = decodeName(header.linkname ?? "", pax.linkpath);
      if (target === null) return skip(name, "is a link to a name that is no UTF-8");
      if (!staysInside(components, target)) return skip(name, `is a link to ${target}, outside of the folder`);
      await folders.make(components.slice(0, -1), name);
      await clear(path, name);
      await symlink(target, path);
      break;
    }
    case "link": {
      if (leftOut.has(header.linkname ?? "")) return skip(name, `is the same file as ${header.linkname}`);
      const linked = decodeName(header.linkname ?? "", pax.linkpath);
      const target = linked === null ? "" : join(options.into, ...componentsOf(linked));
      if (!files.has(target)) throw new HostileTarError(name, "is a hard link to something that was not copied");
      await folders.make(components.slice(0, -1), name);
      // A later link member may have taken the file's place.
      if (!(await lstat(target)).isFile()) throw new HostileTarError(name, "is a hard link to no file");
      if (target !== path) {
        await clear(path, name);
        await link(target, path);
      }
      break;
    }
    case "character-device":
    case "block-device":
      // An agent names devices among what it left out, and sends none.
      throw new HostileTarError(name, "is a device");
    case "fifo":
      return skip(name, "is a named pipe");
    default:
      // Its data may not be as long as its header says.
      throw new HostileTarError(name, "is of a type that is not known here");
  }
  entry.resume();
}

/** The records of a member, as tar-stream has decoded them. */
const paxOf = (header: Header): Readonly<Record<string, string>> => (header.pax ?? {}) as Record<string, string>;

/** A header's name, or the one of its pax records; null when it is no UTF-8. */
function decodeName(name: string, pax: string | undefined): string | null {
  // The parser has decoded records already.
  if (pax !== undefined) return pax.includes("\ufffd") ? null : pax;
  const bytes = Buffer.from(name, "latin1");
  return isUtf8(bytes) ? bytes.toString() : null;
}

/** A guest gives no set-uid bits to files here, and the person's umask holds. `size`: of a sparse file. */
async function writeFile(
  path: string,
  entry: Entry,
  name: string,
  size: number | null,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const file = await open(path, flags, entry.header.mode & 0o777);
  try {
    if (size !== null) {
      await writeSparse(file, entry as AsyncIterable<Buffer>, size, onBytes);
      return;
    }
    for await (const bytes of entry as AsyncIterable<Buffer>) {
      await file.writeFile(bytes);
      onBytes(bytes.length);
    }
  } catch (error) {
    if (error instanceof BadMapError) throw new HostileTarError(name, error.message);
    throw error;
  } finally {
    await file.close();
  }
}

/** Makes way for a member; a folder does not make way for anything else. */
async function clear(path: string, member: string): Promise<void> {
  const there = await lstat(path).catch(() => null);
  if (there === null) return;
  if (there.isDirectory()) throw new HostileTarError(member, "would replace a folder");
  await rm(path);
}

async function setTimes(path: string, mtime: Date): Promise<void> {
  if (Number.isFinite(mtime.getTime())) await utimes(path, mtime, mtime);
}

function timeOf(header: Header): Date {
  const { mtime } = paxOf(header);
  return mtime === undefined ? header.mtime : new Date(Number(mtime) * 1000);
}
