import { createReadStream, type Stats } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

/** Offset and length of data; holes are between. */
export type Piece = readonly [offset: number, length: number];

const TAR_BLOCK = 512;
/** Zeros that fill whole blocks of a file system become a hole. */
const FILE_BLOCK = 4096;
/** Pieces of data in one file. A map of more is refused, and a file with more is sent without holes. */
const MAX_PIECES = 100_000;
/** Of a number below 2^53. */
const MAX_DIGITS = 16;
const NEWLINE = 0x0a;

const READ_BYTES = 64 * 1024;
const ZEROS = Buffer.alloc(FILE_BLOCK);

/** The pax records of a sparse member in GNU tar's format 1.0 ("Sparse Formats" of its manual). */
export function sparseRecords(name: string, size: number): Record<string, string> {
  return {
    "GNU.sparse.major": "1",
    "GNU.sparse.minor": "0",
    "GNU.sparse.name": name,
    "GNU.sparse.realsize": String(size),
  };
}

/** What pax records say of holes; null: nothing. An older format is `unknown`. */
export function readSparseRecords(
  pax: Readonly<Record<string, string>>,
): { readonly name: string; readonly size: number } | "unknown" | null {
  if (!Object.keys(pax).some((key) => key.startsWith("GNU.sparse."))) return null;
  const name = pax["GNU.sparse.name"];
  const size = pax["GNU.sparse.realsize"];
  const isKnown = pax["GNU.sparse.major"] === "1" && pax["GNU.sparse.minor"] === "0";
  if (!isKnown || name === undefined || size === undefined || !/^\d{1,16}$/.test(size)) return "unknown";
  return Number.isSafeInteger(Number(size)) ? { name, size: Number(size) } : "unknown";
}

/** The map that stands before the data, filled up to whole blocks. A hole at the end needs an empty piece there. */
export function encodeMap(pieces: readonly Piece[], size: number): Buffer {
  const [offset, length] = pieces.at(-1) ?? [0, 0];
  const all = offset + length < size ? [...pieces, [size, 0] as const] : pieces;
  const text = Buffer.from(`${all.length}\n${all.map((piece) => `${piece[0]}\n${piece[1]}\n`).join("")}`);
  return Buffer.concat([text, Buffer.alloc((TAR_BLOCK - (text.length % TAR_BLOCK)) % TAR_BLOCK)]);
}

/** A map that no honest writer makes, or data that does not fit it. */
export class BadMapError extends Error {
  override readonly name = "BadMapError";
}

/** Writes a member in format 1.0 as a file with holes. @throws BadMapError */
export async function writeSparse(
  file: FileHandle,
  member: AsyncIterable<Buffer>,
  size: number,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const data = new Pull(member);
  for (const [offset, length] of await readMap(data, size)) {
    let at = offset;
    while (at < offset + length) {
      const bytes = await data.some(offset + length - at);
      await writeAt(file, bytes, at);
      at += bytes.length;
      onBytes(bytes.length);
    }
  }
  await data.end();
  await file.truncate(size);
}

async function readMap(data: Pull, size: number): Promise<Piece[]> {
  let block: Buffer = Buffer.alloc(0);
  let at = 0;
  const next = async (): Promise<number> => {
    let digits = "";
    for (;;) {
      if (at === block.length) {
        block = await data.exactly(TAR_BLOCK);
        at = 0;
      }
      const byte = block[at] as number;
      at += 1;
      if (byte === NEWLINE) break;
      digits += String.fromCharCode(byte);
      if (digits.length > MAX_DIGITS) break;
    }
    const value = /^\d{1,16}$/.test(digits) ? Number(digits) : Number.NaN;
    if (!Number.isSafeInteger(value)) throw new BadMapError("has a map with a number that is none");
    return value;
  };
  const count = await next();
  if (count > MAX_PIECES) throw new BadMapError(`has a map of ${count} pieces`);
  const pieces: Piece[] = [];
  let end = 0;
  for (let index = 0; index < count; index += 1) {
    const offset = await next();
    const length = await next();
    if (offset < end || offset + length > size) throw new BadMapError("has a map that leads out of its file");
    end = offset + length;
    pieces.push([offset, length]);
  }
  return pieces;
}

/** Bytes as they are asked for. */
class Pull {
  readonly #source: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** At least one byte. */
  async some(limit: number): Promise<Buffer> {
    while (this.#rest.length === 0) {
      const { value, done } = await this.#source.next();
      if (done === true) throw new BadMapError("has less data than its map says");
      this.#rest = value;
    }
    const taken = this.#rest.subarray(0, limit);
    this.#rest = this.#rest.subarray(taken.length);
    return taken;
  }

  async exactly(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let left = length; left > 0; left -= (parts.at(-1) as Buffer).length) parts.push(await this.some(left));
    return Buffer.concat(parts);
  }

  /** Reads what is left away. */
  async end(): Promise<void> {
    while ((await this.#source.next()).done !== true);
  }
}

async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    at += (await file.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
  }
}

/** Makes a file that must not be there yet; blocks of zeros become holes, however the bytes come. */
export async function writeWithHoles(path: string, mode: number, source: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, "wx", mode);
  try {
    let at = 0;
    for await (const bytes of source) {
      for (const [offset, length] of dataRuns(bytes, at)) {
        await writeAt(file, bytes.subarray(offset - at, offset - at + length), offset);
      }
      at += bytes.length;
    }
    await file.truncate(at);
  } finally {
    await file.close();
  }
}

/** The pieces of `bytes`, which stand at `at` in their file, that hold more than zeros: whole blocks of the file, cut at both ends. */
export function dataRuns(bytes: Uint8Array, at: number): Piece[] {
  const runs: [number, number][] = [];
  for (let from = 0; from < bytes.length; ) {
    const block = bytes.subarray(from, from + FILE_BLOCK - ((at + from) % FILE_BLOCK));
    if (!ZEROS.subarray(0, block.length).equals(block)) {
      const last = runs.at(-1);
      if (last !== undefined && last[0] + last[1] === at + from) last[1] += block.length;
      else runs.push([at + from, block.length]);
    }
    from += block.length;
  }
  return runs;
}

/** Where a file has data, found by reading it, as Node cannot ask for holes. Null: it has none worth mentioning. */
export async function findPieces(path: string, stats: Stats): Promise<Piece[] | null> {
  // Of 512 bytes each, whatever the file system's are (stat(2)).
  if (stats.blocks * 512 >= stats.size || stats.size === 0) return null;
  const pieces: [number, number][] = [];
  let at = 0;
  for await (const bytes of createReadStream(path, { end: stats.size - 1, highWaterMark: READ_BYTES })) {
    for (const [offset, length] of dataRuns(bytes as Buffer, at)) {
      const last = pieces.at(-1);
      if (last !== undefined && last[0] + last[1] === offset) last[1] += length;
      else pieces.push([offset, length]);
    }
    if (pieces.length > MAX_PIECES) return null;
    at += bytes.length;
  }
  return pieces;
}
