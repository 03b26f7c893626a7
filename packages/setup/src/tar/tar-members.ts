import { BLOCK, padding, parseHeader } from "./tar-header.ts";

/** `0`, and NUL of older tars: a regular file. */
const FILE_TYPES: readonly string[] = ["0", "\0"];

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
      const header = parseHeader(pending.subarray(0, BLOCK));
      pending = pending.subarray(BLOCK);
      if (header === null) continue;
      const { name, bytes, type } = header;
      if (FILE_TYPES.includes(type) && names.has(name)) {
        if (bytes > maxBytes) throw new Error(`${name} has ${bytes} bytes, more than ${maxBytes}`);
        kept = { name, pieces: [], left: bytes };
        skip = padding(bytes);
      } else {
        skip = bytes + padding(bytes);
      }
    }
  }
  if (kept !== null || skip > 0) throw new Error("it ends in the middle of a file");
  const missing = [...names].filter((name) => !found.has(name));
  throw new Error(`${missing.join(" and ")} ${missing.length === 1 ? "is" : "are"} not in it`);
}
