/** One member of an initrd. Owners are always root:root and times 0, so equal input gives equal bytes. */
export type CpioEntry =
  | { readonly type: "directory"; readonly name: string; readonly mode: number }
  | { readonly type: "file"; readonly name: string; readonly mode: number; readonly data: Uint8Array }
  | {
      readonly type: "character";
      readonly name: string;
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
    };

const TYPE_BITS = { directory: 0o040000, file: 0o100000, character: 0o020000 } as const;

const padding = (length: number) => Buffer.alloc((4 - (length % 4)) % 4);

/** A member's header, name and data, each padded to 4 bytes. */
function member(inode: number, entry: CpioEntry | { readonly type: "trailer"; readonly name: string }): Buffer {
  const name = Buffer.from(`${entry.name}\0`);
  const data = entry.type === "file" ? entry.data : new Uint8Array();
  const device = entry.type === "character" ? entry : { major: 0, minor: 0 };
  const mode = entry.type === "trailer" ? 0 : TYPE_BITS[entry.type] | entry.mode;
  // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
  const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, device.major, device.minor, name.length, 0];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
  return Buffer.concat([header, name, padding(header.length + name.length), data, padding(data.length)]);
}

/**
 * A cpio archive in the format "newc", as the kernel unpacks it
 * (Documentation/driver-api/early-userspace/buffer-format.rst). Names are relative; a directory comes before its members.
 *
 * @throws RangeError for an absolute or empty name, one with NUL, or a file of 4 GiB or more.
 */
export function writeCpio(entries: Iterable<CpioEntry>): Buffer {
  const members: Buffer[] = [];
  for (const entry of entries) {
    if (entry.name === "" || entry.name.startsWith("/") || entry.name.includes("\0")) {
      throw new RangeError(`not a name for a cpio member: ${JSON.stringify(entry.name)}`);
    }
    if (entry.type === "file" && entry.data.length > 0xffff_ffff) throw new RangeError(`${entry.name} is too large`);
    members.push(member(members.length + 1, entry));
  }
  members.push(member(0, { type: "trailer", name: "TRAILER!!!" }));
  return Buffer.concat(members);
}
