import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { extractElfKernel } from "./kernel.ts";

const ELF = Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46]), Buffer.alloc(5000, "kernel")]);

/** A bzImage of one setup sector, with the payload 64 bytes into its protected-mode part. */
function bzImage(payload: Uint8Array, size = ELF.length): Buffer {
  const header = Buffer.alloc(1024 + 64);
  header.writeUInt8(1, 0x1f1);
  header.write("HdrS", 0x202, "latin1");
  header.writeUInt32LE(64, 0x248);
  header.writeUInt32LE(payload.length + 4, 0x24c);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(size);
  return Buffer.concat([header, payload, length]);
}

describe("extractElfKernel", () => {
  test.each([
    ["plain", ELF],
    ["gzip", gzipSync(ELF)],
    ["zstd", zstdCompressSync(ELF)],
  ])("unpacks a payload that is %s", (_, payload) => {
    expect(Buffer.compare(Buffer.from(extractElfKernel(bzImage(payload)) ?? []), ELF)).toBe(0);
  });

  test("leaves a payload packed otherwise to the bzImage itself", () => {
    expect(extractElfKernel(bzImage(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0])))).toBeUndefined();
  });

  test.each([
    ["no bzImage", Buffer.alloc(2000)],
    ["a cut one", bzImage(ELF).subarray(0, 3000)],
    ["a payload that is no ELF", bzImage(gzipSync(Buffer.alloc(100)), 100)],
    ["a payload of another size", bzImage(ELF, ELF.length - 1)],
  ])("refuses %s", (_, input) => {
    expect(() => extractElfKernel(input)).toThrow(RangeError);
  });
});
