import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
} from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { writeFileAtomic } from "../process/atomic-file.ts";

/** Beside each recording: whose terminal it is of, and whether it is to go on. */
export const RecordingNote = z.strictObject({
  version: z.literal(1),
  enabled: z.boolean(),
  startedAt: z.iso.datetime(),
  createdUnixMs: z.number(),
});
export type RecordingNote = z.infer<typeof RecordingNote>;

/** A comment line in the recording: all before it is whole, up to this byte of the terminal's output. */
export interface Mark {
  readonly offset: bigint;
  /** Since the recording began. */
  readonly elapsedMs: number;
  readonly isFull: boolean;
}

/** Marks stand closer than this: a keyframe lies between two of them at most. */
const TAIL_BYTES = 16 * 1024 * 1024;
const HASH = 0x23;
const MARK = /^# (\d{1,20}) (\d{1,15})( full)?$/;

export const markLine = ({ offset, elapsedMs, isFull }: Mark): string =>
  `# ${offset} ${elapsedMs}${isFull ? " full" : ""}\n`;

/** The two files of a terminal's recording. */
export class RecordingFile {
  readonly cast: string;
  readonly #note: string;
  #handle: FileHandle | null = null;

  /** `path`: without an ending. */
  constructor(path: string) {
    this.cast = `${path}.cast`;
    this.#note = `${path}.json`;
  }

  get note(): RecordingNote | null {
    try {
      return RecordingNote.parse(JSON.parse(readFileSync(this.#note, "utf8")));
    } catch {
      return null;
    }
  }

  setNote(note: RecordingNote): void {
    mkdirSync(dirname(this.#note), { recursive: true, mode: 0o700 });
    writeFileAtomic(this.#note, JSON.stringify(note));
  }

  get size(): number {
    if (!existsSync(this.cast)) return 0;
    const fd = openSync(this.cast, "r");
    try {
      return fstatSync(fd).size;
    } finally {
      closeSync(fd);
    }
  }

  /** The last mark; what was written behind it and not finished is cut off, or left where it is only looked at. */
  lastMark({ isCutting }: { readonly isCutting: boolean }): Mark | null {
    if (!existsSync(this.cast)) return null;
    const fd = openSync(this.cast, isCutting ? "r+" : "r");
    try {
      const { size } = fstatSync(fd);
      const from = Math.max(0, size - TAIL_BYTES);
      const bytes = Buffer.alloc(size - from);
      readSync(fd, bytes, 0, bytes.length, from);
      for (let end = bytes.lastIndexOf(0x0a); end > 0; ) {
        const begin = bytes.lastIndexOf(0x0a, end - 1) + 1;
        const match = bytes[begin] === HASH ? MARK.exec(bytes.toString("latin1", begin, end)) : null;
        if (match !== null) {
          if (isCutting) ftruncateSync(fd, from + end + 1);
          const [, offset = "0", elapsed = "0", full] = match;
          return { offset: BigInt(offset), elapsedMs: Number(elapsed), isFull: full !== undefined };
        }
        end = begin - 1;
      }
      // Begun and not marked once: it begins anew.
      if (isCutting) ftruncateSync(fd, 0);
      return null;
    } finally {
      closeSync(fd);
    }
  }

  async append(text: string): Promise<void> {
    mkdirSync(dirname(this.cast), { recursive: true, mode: 0o700 });
    this.#handle ??= await open(this.cast, "a", 0o600);
    await this.#handle.writeFile(text);
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    await handle?.close();
  }

  remove(): void {
    rmSync(this.cast, { force: true });
    rmSync(this.#note, { force: true });
  }
}
