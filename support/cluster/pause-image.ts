import { writeOciArchive } from "@microterm/images";

/** x86-64: pause(2) for ever. */
const CODE = Buffer.from([0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7]);
const BASE = 0x400000n;
const HEADERS = 64 + 56;

/** The image whose container holds a pod's namespaces: one static program that does nothing. */
export async function writePauseImage(path: string, name: string): Promise<void> {
  await writeOciArchive({
    path,
    name,
    layers: [{ files: [{ path: "pause", content: pauseProgram(), mode: 0o755 }] }],
    config: { entrypoint: ["/pause"], labels: {} },
  });
}

/** An executable of one segment (elf(5)). */
function pauseProgram(): Buffer {
  const header = Buffer.alloc(HEADERS);
  header.write("\x7fELF\x02\x01\x01", 0, "latin1");
  header.writeUInt16LE(2, 16); // executable
  header.writeUInt16LE(62, 18); // x86-64
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BASE + BigInt(HEADERS), 24); // entry
  header.writeBigUInt64LE(64n, 32); // program headers
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt32LE(1, 64); // to be loaded
  header.writeUInt32LE(5, 68); // read, execute
  header.writeBigUInt64LE(BASE, 80);
  header.writeBigUInt64LE(BASE, 88);
  const size = BigInt(HEADERS + CODE.length);
  header.writeBigUInt64LE(size, 96);
  header.writeBigUInt64LE(size, 104);
  header.writeBigUInt64LE(0x1000n, 112);
  return Buffer.concat([header, CODE]);
}
