import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { decodeLz4Legacy, LZ4_LEGACY_MAGIC } from "./lz4.ts";

const ELF_MAGIC = 0x464c457f;
const ZSTD_MAGIC = 0xfd2fb528;
const GZIP_MAGIC = 0x8b1f;

function unpack(payload: Uint8Array, size: number): Uint8Array | undefined {
  const magic = new DataView(payload.buffer, payload.byteOffset, payload.byteLength).getUint32(0, true);
  if (magic === ELF_MAGIC) return payload;
  if (magic === LZ4_LEGACY_MAGIC) return decodeLz4Legacy(payload, size);
  const options = { maxOutputLength: size };
  if (magic === ZSTD_MAGIC) return zstdDecompressSync(payload, options);
  if ((magic & 0xffff) === GZIP_MAGIC) return gunzipSync(payload, options);
  return undefined;
}

/**
 * The ELF kernel inside an x86 bzImage, or undefined when it is packed in a way that is not read here (xz, for one); the
 * bzImage boots as well then, only slower.
 *
 * The ELF is what an image holds: QEMU enters it by PVH, and the guest does not unpack 14 MB in emulated code first.
 * Five runs each on microvm under TCG, start of QEMU to power-off from a shell: bzImage 2.39–2.98 s (median 2.57), ELF
 * 1.96–2.36 s (median 2.01). Firecracker takes nothing else.
 *
 * The payload's place is in the setup header (the kernel's Documentation/arch/x86/boot.rst: setup_sects,
 * payload_offset, payload_length); its last 4 bytes are the unpacked size.
 *
 * @throws RangeError when this is no bzImage, or its payload is damaged.
 */
export function extractElfKernel(bzImage: Uint8Array): Uint8Array | undefined {
  const view = new DataView(bzImage.buffer, bzImage.byteOffset, bzImage.byteLength);
  if (bzImage.length < 0x260 || view.getUint32(0x202, true) !== 0x53726448)
    throw new RangeError("no bzImage: HdrS is missing");
  const setupSectors = view.getUint8(0x1f1) || 4;
  const start = (setupSectors + 1) * 512 + view.getUint32(0x248, true);
  const end = start + view.getUint32(0x24c, true);
  if (end > bzImage.length || end - start < 8) throw new RangeError("no bzImage: its payload lies outside the file");
  const size = view.getUint32(end - 4, true);
  const elf = unpack(bzImage.subarray(start, end - 4), size);
  if (elf === undefined) return undefined;
  const unpacked = new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
  if (elf.length !== size || unpacked.getUint32(0, true) !== ELF_MAGIC)
    throw new RangeError("the kernel's payload is damaged");
  return elf;
}
