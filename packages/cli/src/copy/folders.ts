import { chmod, lstat, mkdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import { HostileTarError } from "./member.ts";

/** A folder's permission bits and time. */
export interface FolderProperties {
  readonly mode: number;
  readonly mtime: Date;
}

/** The folders below a root: those that are known to be folders and not links, and what those made here become at last. */
export class Folders {
  readonly #root: string;
  readonly #known = new Set<string>();
  /** By path, in the order of their making. */
  readonly #made = new Map<string, FolderProperties | null>();

  /** `isNew`: the root itself was made for this copy. */
  constructor(root: string, options: { readonly isNew: boolean }) {
    this.#root = root;
    if (options.isNew) this.#made.set(root, null);
  }

  /** Makes a folder with its parents. Every one that is there already must be a real folder. */
  async make(components: readonly string[], member: string): Promise<void> {
    let path = this.#root;
    for (const component of components) {
      path = join(path, component);
      // Known ones stay folders: nothing removes them.
      if (this.#known.has(path)) continue;
      const there = await lstat(path).catch(() => null);
      if (there === null) {
        await mkdir(path);
        this.#made.set(path, null);
      } else if (!there.isDirectory()) {
        throw new HostileTarError(member, "goes through a link or a file");
      }
      this.#known.add(path);
    }
  }

  /** What a folder gets at last. One that was here before keeps what it has. */
  describe(components: readonly string[], properties: FolderProperties): void {
    const path = join(this.#root, ...components);
    if (this.#made.has(path)) this.#made.set(path, properties);
  }

  /** Once all is in them: filling a folder changes its time, and one without write permission could not be filled. */
  async finish(): Promise<void> {
    const umask = process.umask();
    for (const [path, properties] of [...this.#made].reverse()) {
      if (properties === null) continue;
      await chmod(path, properties.mode & 0o777 & ~umask);
      const { mtime } = properties;
      if (Number.isFinite(mtime.getTime())) await utimes(path, mtime, mtime);
    }
  }
}
