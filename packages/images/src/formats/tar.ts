/** A block of tar(5): headers and contents are padded to it, bytes. */
const BLOCK = 512;
/** Two blocks of zeros end an archive. */
export const TAR_END = Buffer.alloc(2 * BLOCK);

export interface TarEntry {
  /** Relative, at most 100 bytes. */
  readonly path: string;
  readonly mode: number;
  /** Absent: a folder. */
  readonly bytes?: number;
}

/** A header of POSIX ustar, of root's, with the time 0: the same content makes the same archive. */
export function tarHeader({ path, mode, bytes }: TarEntry): Buffer {
  if (Buffer.byteLength(path) > 100) throw new RangeError(`a path of more than 100 bytes: ${path}`);
  const header = Buffer.alloc(BLOCK);
  const octal = (at: number, length: number, value: number) =>
    header.write(value.toString(8).padStart(length - 1, "0"), at, "latin1");
  header.write(path, 0);
  octal(100, 8, mode);
  octal(108, 8, 0);
  octal(116, 8, 0);
  octal(124, 12, bytes ?? 0);
  octal(136, 12, 0);
  header.write(bytes === undefined ? "5" : "0", 156, "latin1");
  header.write("ustar\x0000", 257, "latin1");
  // Counted as if its own field held spaces.
  header.fill(" ", 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

/** What fills the last block of so many bytes. */
export const tarPadding = (bytes: number): Buffer => Buffer.alloc((BLOCK - (bytes % BLOCK)) % BLOCK);
