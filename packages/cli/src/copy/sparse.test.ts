import { lstatSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { dataRuns, writeWithHoles } from "./sparse.ts";

const MIB = 1 << 20;

describe("dataRuns", () => {
  it("finds blocks of the file with more than zeros, wherever a piece begins", () => {
    const bytes = new Uint8Array(20_000);
    expect(dataRuns(bytes, 0)).toEqual([]);
    bytes[5000] = 1;
    expect(dataRuns(bytes, 0)).toEqual([[4096, 4096]]);
    expect(dataRuns(bytes, 4000)).toEqual([[8192, 4096]]);
    bytes[9500] = 1;
    expect(dataRuns(bytes, 0)).toEqual([[4096, 8192]]);
    bytes[19_999] = 1;
    expect(dataRuns(bytes, 0)).toEqual([
      [4096, 8192],
      [16_384, 3616],
    ]);
    expect(dataRuns(bytes.subarray(0, 0), 7)).toEqual([]);
  });
});

describe("writeWithHoles", () => {
  const content = Buffer.alloc(3 * MIB);
  content.write("data", MIB);

  it.each([100, 4096, 10_000, 65_536, 3 * MIB])("leaves out the zeros of pieces of %i bytes", async (size) => {
    const folder = mkdtempSync(join(tmpdir(), "microterm-sparse-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "file");
    const pieces = async function* () {
      for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
    };
    await writeWithHoles(path, 0o600, pieces());
    expect(readFileSync(path).equals(content)).toBe(true);
    expect(lstatSync(path).blocks * 512).toBeLessThan(MIB);
  });
});
