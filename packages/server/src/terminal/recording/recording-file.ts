import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { RecordingMark } from "@microterm/core";
import { z } from "zod";
import { writeFileAtomic } from "../../process/atomic-file.ts";
import type { StoredRecording } from "./recording-store.ts";

/** Beside each recording: whose terminal it is of, and whether it is to go on. */
const RecordingNote = z.strictObject({
  version: z.literal(1),
  enabled: z.boolean(),
  startedAt: z.iso.datetime(),
  createdUnixMs: z.number(),
});
type RecordingNote = z.infer<typeof RecordingNote>;

/** Marks stand closer than this: a keyframe lies between two of them at most. */
const TAIL_BYTES = 16 * 1024 * 1024;
/** All that is written ends with a mark, so that this much has one, but for a server that died as it wrote. */
const FIRST_LOOK_BYTES = 64 * 1024;
const HASH = 0x23;
const MARK = /^# (\d{1,20}) (\d{1,15})( full)?$/;
/** Bytes of a mark's line, and the end of the line before it. */
const LONGEST_MARK = 64;

/** A comment line in the recording. */
export const markLine = ({ offset, elapsedMs, isFull }: RecordingMark): string =>
  `# ${offset} ${elapsedMs}${isFull ? " full" : ""}\n`;

/** The last whole mark in a file's last `length` bytes, and where it ends; null when none is there. */
async function lastMarkOf(
  file: FileHandle,
  size: number,
  length: number,
): Promise<(RecordingMark & { readonly end: number }) | null> {
  const from = Math.max(0, size - length);
  const bytes = Buffer.alloc(size - from);
  const { bytesRead } = await file.read(bytes, 0, bytes.length, from);
  for (let end = bytes.lastIndexOf(0x0a, bytesRead); end > 0; ) {
    const begin = bytes.lastIndexOf(0x0a, end - 1) + 1;
    const match = bytes[begin] === HASH ? MARK.exec(bytes.toString("latin1", begin, end)) : null;
    if (match !== null) {
      const [, offset = "0", elapsed = "0", full] = match;
      return { offset: BigInt(offset), elapsedMs: Number(elapsed), isFull: full !== undefined, end: from + end + 1 };
    }
    end = begin - 1;
  }
  return null;
}

/** The two files of a terminal's recording. */
export class RecordingFile implements StoredRecording {
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

  /** 0 where there is none. */
  async size(): Promise<number> {
    try {
      return (await stat(this.cast)).size;
    } catch {
      return 0;
    }
  }

  /** Whether it ended at its limit: its last line says so. Costs one read of a line, however long it is. */
  async isFull(): Promise<boolean> {
    return (
      (await this.#reading("r", async (file, size) => (await lastMarkOf(file, size, LONGEST_MARK))?.isFull)) ?? false
    );
  }

  async cutToMark(): Promise<{ readonly mark: RecordingMark | null; readonly bytes: number }> {
    const found = await this.#reading("r+", async (file, size) => {
      for (let length = FIRST_LOOK_BYTES; ; length *= 4) {
        const last = await lastMarkOf(file, size, Math.min(length, TAIL_BYTES));
        if (last === null && length < Math.min(size, TAIL_BYTES)) continue;
        await file.truncate(last?.end ?? 0);
        return last;
      }
    });
    return { mark: found, bytes: found?.end ?? 0 };
  }

  /** Null where there is no recording. */
  async #reading<T>(flags: "r" | "r+", read: (file: FileHandle, size: number) => Promise<T>): Promise<T | null> {
    let file: FileHandle;
    try {
      file = await open(this.cast, flags);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
    try {
      return await read(file, (await file.stat()).size);
    } finally {
      await file.close();
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
