import { constants } from "node:fs";
import { chmod, link, lstat, mkdir, open, rm, symlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { type Extract, extract, type Header } from "tar-stream";
import { componentsOf, HostileTarError, staysInside } from "./member.ts";

type Entry = Extract extends AsyncIterable<infer Member> ? Member : never;

/** More than any home folder holds. */
const MAX_MEMBERS = 1_000_000;

export interface ExtractOptions {
  /** An existing folder. */
  readonly into: string;
  readonly onBytes: (bytes: number) => void;
  /** A member that is left out: a special file, or a link that leads out of the folder. */
  readonly onSkipped: (member: string, why: string) => void;
  readonly maxMembers?: number;
}

/**
 * Extracts a tar that a guest has made. Nothing is written outside of `into`, whatever the tar says: names are checked,
 * every folder on the way to a member must be a folder and no link (also one that was here before), and files are made
 * anew, never opened through something that is there.
 * @throws HostileTarError
 */
export async function extractTar(tar: AsyncIterable<Uint8Array>, options: ExtractOptions): Promise<void> {
  const parser = extract();
  const feeding = feed(tar, parser);
  // The loop below ends with the parser's error, of which this one is the cause.
  feeding.catch(() => {});
  const folders = new Folders(options.into);
  const files = new Set<string>();
  const times: (() => Promise<void>)[] = [];
  let members = 0;
  for await (const entry of parser) {
    const { header } = entry;
    members += 1;
    if (members > (options.maxMembers ?? MAX_MEMBERS)) throw new HostileTarError(header.name, "is one too many");
    const components = componentsOf(header.name);
    if (components.length === 0) {
      if (header.type !== "directory") throw new HostileTarError(header.name, "takes the place of the folder itself");
      entry.resume();
      continue;
    }
    await extractMember({ entry, header, components, folders, files, times, options });
  }
  await feeding;
  // Folders get their times last: making their contents changes them.
  for (const setTimes of times.reverse()) await setTimes();
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

async function extractMember(member: {
  readonly entry: Entry;
  readonly header: Header;
  readonly components: readonly string[];
  readonly folders: Folders;
  readonly files: Set<string>;
  readonly times: (() => Promise<void>)[];
  readonly options: ExtractOptions;
}): Promise<void> {
  const { entry, header, components, folders, files, times, options } = member;
  const path = join(options.into, ...components);
  // A guest gives no set-uid bits to files here; folders stay open for what comes into them.
  const mode = header.mode & 0o777;
  switch (header.type) {
    case "directory":
      await folders.make(components, header.name);
      await chmod(path, mode | 0o700);
      times.push(() => setTimes(path, header));
      break;
    case "file":
    case "contiguous-file":
      await folders.make(components.slice(0, -1), header.name);
      await clear(path, header.name);
      await writeFile(path, entry, mode, options.onBytes);
      await setTimes(path, header);
      files.add(path);
      return;
    case "symlink": {
      const target = header.linkname;
      if (!staysInside(components, target)) {
        options.onSkipped(header.name, `is a link to ${target}, outside of the folder`);
        break;
      }
      await folders.make(components.slice(0, -1), header.name);
      await clear(path, header.name);
      await symlink(target, path);
      break;
    }
    case "link": {
      const target = join(options.into, ...componentsOf(header.linkname));
      if (!files.has(target)) throw new HostileTarError(header.name, "is a hard link to something that was not copied");
      await folders.make(components.slice(0, -1), header.name);
      // A later link member may have taken the file's place.
      if (!(await lstat(target)).isFile()) throw new HostileTarError(header.name, "is a hard link to no file");
      if (target !== path) {
        await clear(path, header.name);
        await link(target, path);
      }
      break;
    }
    case "character-device":
    case "block-device":
      throw new HostileTarError(header.name, "is a device");
    default:
      options.onSkipped(header.name, `is a ${header.type ?? "thing of unknown type"}`);
  }
  entry.resume();
}

async function writeFile(path: string, entry: Entry, mode: number, onBytes: (n: number) => void): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const file = await open(path, flags, mode);
  try {
    for await (const bytes of entry as AsyncIterable<Buffer>) {
      await file.writeFile(bytes);
      onBytes(bytes.length);
    }
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

async function setTimes(path: string, { mtime }: Header): Promise<void> {
  if (Number.isFinite(mtime.getTime())) await utimes(path, mtime, mtime);
}

/** The folders below a root that are known to be folders and not links. */
class Folders {
  readonly #root: string;
  readonly #known = new Set<string>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Makes a folder with its parents. Every one that is there already must be a real folder. */
  async make(components: readonly string[], member: string): Promise<void> {
    let path = this.#root;
    for (const component of components) {
      path = join(path, component);
      // Known ones stay folders: `clear` removes none.
      if (this.#known.has(path)) continue;
      const there = await lstat(path).catch(() => null);
      if (there === null) await mkdir(path, { mode: 0o755 });
      else if (!there.isDirectory()) throw new HostileTarError(member, "goes through a link or a file");
      this.#known.add(path);
    }
  }
}
