/** A block of tar(5): headers and contents are padded to it. */
const BLOCK = 512;
/** Offset and length of a header's fields (tar(5), POSIX ustar). */
const NAME = [0, 100] as const;
const SIZE = [124, 12] as const;
const CHECKSUM = [148, 8] as const;
const TYPE = 156;
const PREFIX = [345, 155] as const;
/** `0`, and NUL of older tars: a regular file. */
const FILE_TYPES: readonly number[] = [0x30, 0];

export interface MembersWanted {
  /** By their whole paths. */
  readonly names: ReadonlySet<string>;
  /** Bytes of one of them, at most. */
  readonly maxBytes: number;
}

/**
 * Takes regular files out of a tar, and skips all else. What it is given comes from the network: nothing of it but those
 * contents is kept, and nothing is written. Throws an Error that says what is wrong with the archive.
 */
export async function readMembers(
  tar: AsyncIterable<Buffer>,
  { names, maxBytes }: MembersWanted,
): Promise<ReadonlyMap<string, Buffer>> {
  const found = new Map<string, Buffer>();
  let pending: Buffer = Buffer.alloc(0);
  /** Of the present member: what is still to be kept of it, and to be passed over. */
  let kept: { readonly name: string; readonly pieces: Buffer[]; left: number } | null = null;
  let skip = 0;

  for await (const chunk of tar) {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    for (;;) {
      if (kept !== null) {
        const piece = pending.subarray(0, kept.left);
        kept.pieces.push(piece);
        kept.left -= piece.length;
        pending = pending.subarray(piece.length);
        if (kept.left > 0) break;
        found.set(kept.name, Buffer.concat(kept.pieces));
        kept = null;
        if (found.size === names.size) return found;
      }
      const skipped = Math.min(skip, pending.length);
      pending = pending.subarray(skipped);
      skip -= skipped;
      if (skip > 0 || pending.length < BLOCK) break;
      const header = pending.subarray(0, BLOCK);
      pending = pending.subarray(BLOCK);
      if (header.every((byte) => byte === 0)) continue;
      const { name, size, isFile } = readHeader(header);
      const padding = (BLOCK - (size % BLOCK)) % BLOCK;
      if (isFile && names.has(name)) {
        if (size > maxBytes) throw new Error(`${name} has ${size} bytes, more than ${maxBytes}`);
        kept = { name, pieces: [], left: size };
        skip = padding;
      } else {
        skip = size + padding;
      }
    }
  }
  if (kept !== null || skip > 0) throw new Error("it ends in the middle of a file");
  const missing = [...names].filter((name) => !found.has(name));
  throw new Error(`${missing.join(" and ")} ${missing.length === 1 ? "is" : "are"} not in it`);
}

function readHeader(header: Buffer): { readonly name: string; readonly size: number; readonly isFile: boolean } {
  const text = ([at, length]: readonly [number, number]): string =>
    header
      .subarray(at, at + length)
      .toString("latin1")
      .replace(/\0.*$/s, "");
  const octal = (field: readonly [number, number]): number => {
    const digits = text(field).trim();
    if (!/^[0-7]{1,11}$/.test(digits)) throw new Error("it is no tar");
    return Number.parseInt(digits, 8);
  };
  const [at, length] = CHECKSUM;
  // Counted as if its own field held spaces.
  const sum = header.reduce((total, byte, i) => total + (i >= at && i < at + length ? 0x20 : byte), 0);
  if (octal(CHECKSUM) !== sum) throw new Error("it is no tar");
  const isUstar = header.subarray(257, 262).toString("latin1") === "ustar";
  const prefix = isUstar ? text(PREFIX) : "";
  return {
    name: prefix === "" ? text(NAME) : `${prefix}/${text(NAME)}`,
    size: octal(SIZE),
    isFile: FILE_TYPES.includes(header[TYPE] ?? -1),
  };
}
