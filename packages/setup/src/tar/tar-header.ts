/** A block of tar(5): headers and contents are padded to it, bytes. */
export const BLOCK = 512;

/** Offset and length of a header's fields (tar(5), POSIX ustar). */
const NAME = [0, 100] as const;
const MODE = [100, 8] as const;
const SIZE = [124, 12] as const;
const MTIME = [136, 12] as const;
const CHECKSUM = [148, 8] as const;
const TYPE = 156;
const MAGIC = 257;
const PREFIX = [345, 155] as const;
/** The largest size of eleven octal digits; larger ones are binary, with the first bit set (GNU). */
const MOST_OCTAL = 8 ** 11 - 1;

export interface TarHeader {
  readonly name: string;
  readonly bytes: number;
  /** Permissions, with the bits of setuid, setgid and sticky. */
  readonly mode: number;
  /** `0`, or NUL in older tars, a file, `5` a folder, `x` the properties of what follows. */
  readonly type: string;
}

/** Of a file that only its owner may read. */
export function formatHeader(name: string, bytes: number, unixSeconds: number): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = ([at, length]: readonly [number, number], value: number) =>
    header.write(value.toString(8).padStart(length - 1, "0"), at, "latin1");
  header.write(name, NAME[0], "latin1");
  octal(MODE, 0o600);
  octal([108, 8], 0);
  octal([116, 8], 0);
  if (bytes <= MOST_OCTAL) octal(SIZE, bytes);
  else {
    header[SIZE[0]] = 0x80;
    header.writeBigUInt64BE(BigInt(bytes), SIZE[0] + 4);
  }
  octal(MTIME, unixSeconds);
  header.write("0", TYPE, "latin1");
  header.write("ustar\0" + "00", MAGIC, "latin1");
  header.write(`${checksum(header).toString(8).padStart(6, "0")}\0 `, CHECKSUM[0], "latin1");
  return header;
}

/** Null: the archive has ended. Throws an Error where it is no header. */
export function parseHeader(header: Buffer): TarHeader | null {
  if (header.every((byte) => byte === 0)) return null;
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
  if (octal(CHECKSUM) !== checksum(header)) throw new Error("it is no tar");
  const isBinary = header[SIZE[0]] === 0x80;
  // tar(1) reads all eleven bytes.
  if (isBinary && header.subarray(SIZE[0] + 1, SIZE[0] + 4).some((byte) => byte !== 0)) throw new Error("it is no tar");
  const bytes = isBinary ? Number(header.readBigUInt64BE(SIZE[0] + 4)) : octal(SIZE);
  if (!Number.isSafeInteger(bytes)) throw new Error("it is no tar");
  // Other formats have something else there.
  const isUstar = header.subarray(MAGIC, MAGIC + 5).toString("latin1") === "ustar";
  const prefix = isUstar ? text(PREFIX) : "";
  return {
    name: prefix === "" ? text(NAME) : `${prefix}/${text(NAME)}`,
    bytes,
    mode: octal(MODE),
    type: String.fromCharCode(header[TYPE] ?? 0),
  };
}

/** Counted as if its own field held spaces. */
function checksum(header: Buffer): number {
  const [at, length] = CHECKSUM;
  return header.reduce((total, byte, i) => total + (i >= at && i < at + length ? 0x20 : byte), 0);
}

export const padding = (bytes: number): number => (BLOCK - (bytes % BLOCK)) % BLOCK;
