import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  createReadStream,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { BLOCK, formatHeader, padding } from "../tar/tar-header.ts";
import { MANIFEST, MANIFEST_BYTES, Manifest, type Member } from "./manifest.ts";

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR, O_WRONLY } = constants;

/**
 * A backup on its way: a tar, under another name until it is whole and on the disk. `manifest.json` is its first member and is written
 * last, when the sums of the others are known.
 */
export class ArchiveWriter {
  readonly #path: string;
  readonly #partial: string;
  /** What is appended to, also by the programs that have it as their output. */
  readonly #end: number;
  /** What is written into the middle: an appending descriptor only ever appends. */
  readonly #middle: number;
  readonly #members: (Member & { readonly at: number })[] = [];
  readonly #now = Math.floor(Date.now() / 1000);

  /** Throws the system's error where there can be no such file. */
  constructor(path: string) {
    this.#path = path;
    this.#partial = join(dirname(path), `.${basename(path)}.partial`);
    // Of one that was killed.
    rmSync(this.#partial, { force: true });
    this.#end = openSync(this.#partial, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW, 0o600);
    this.#middle = openSync(this.#partial, O_RDWR | O_NOFOLLOW);
    writeSync(this.#end, Buffer.alloc(BLOCK + MANIFEST_BYTES));
  }

  /** `fill` appends the contents to the descriptor. False: it has appended nothing, and there is no such member. */
  async add(name: string, fill: (fd: number) => Promise<void>): Promise<boolean> {
    const header = fstatSync(this.#end).size;
    const at = header + BLOCK;
    writeSync(this.#end, Buffer.alloc(BLOCK));
    await fill(this.#end);
    const bytes = fstatSync(this.#end).size - at;
    if (bytes === 0) {
      ftruncateSync(this.#middle, header);
      return false;
    }
    writeSync(this.#end, Buffer.alloc(padding(bytes)));
    writeSync(this.#middle, formatHeader(name, bytes, this.#now), 0, BLOCK, header);
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(this.#partial, { start: at, end: at + bytes - 1 })) hash.update(chunk);
    this.#members.push({ name, bytes, sha256: hash.digest("hex"), at });
    return true;
  }

  /** Where a member's contents are now. */
  partOf(name: string): { readonly path: string; readonly start: number; readonly end: number } {
    const member = this.#members.find((one) => one.name === name);
    if (member === undefined) throw new Error(`the backup has no ${name} yet`);
    return { path: this.#partial, start: member.at, end: member.at + member.bytes };
  }

  /** Gives it its name. */
  finish(about: Omit<Manifest, "format" | "members">): void {
    const members = this.#members.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 }));
    const manifest = Buffer.alloc(MANIFEST_BYTES, " ");
    manifest.write(`${JSON.stringify(Manifest.parse({ format: 1, ...about, members }), null, 2)}\n`);
    writeSync(this.#middle, formatHeader(MANIFEST, MANIFEST_BYTES, this.#now), 0, BLOCK, 0);
    writeSync(this.#middle, manifest, 0, MANIFEST_BYTES, BLOCK);
    writeSync(this.#end, Buffer.alloc(2 * BLOCK));
    fsyncSync(this.#middle);
    this.#close();
    renameSync(this.#partial, this.#path);
    const folder = openSync(dirname(this.#path), "r");
    fsyncSync(folder);
    closeSync(folder);
  }

  /** Instead of finishing it. */
  discard(): void {
    this.#close();
    rmSync(this.#partial, { force: true });
  }

  #close(): void {
    closeSync(this.#end);
    closeSync(this.#middle);
  }
}
