import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ImageCorruptError } from "./image-error.ts";
import { IMAGE_FILES, imageManifestSchema, readManifest, recordFile, verifyImage } from "./manifest.ts";

let image: string;

beforeEach(async () => {
  image = await mkdtemp(join(tmpdir(), "microterm-manifest-"));
  for (const file of IMAGE_FILES) await writeFile(join(image, file), `the content of ${file}`);
  const records = await Promise.all(IMAGE_FILES.map(async (file) => [file, await recordFile(image, file)] as const));
  const manifest = {
    version: 1,
    key: "a".repeat(64),
    kernel: "6.1.0-50-cloud-amd64",
    files: Object.fromEntries(records),
  };
  await writeFile(join(image, "manifest.json"), JSON.stringify(manifest));
});

afterEach(() => rm(image, { recursive: true }));

describe("verifyImage", () => {
  test("accepts what the manifest says", async () => {
    expect(await verifyImage(image)).toEqual({ ok: true, corrupt: [] });
  });

  test("names a file in which one byte changed", async () => {
    const path = join(image, "root.erofs");
    const bytes = await readFile(path);
    bytes[3] = (bytes[3] as number) ^ 1;
    await writeFile(path, bytes);
    expect(await verifyImage(image)).toEqual({
      ok: false,
      corrupt: [{ file: "root.erofs", reason: "its content differs from its SHA-256" }],
    });
  });

  test("names a file that was cut and one that is gone", async () => {
    await truncate(join(image, "vmlinuz"), 3);
    await rm(join(image, "initrd.cpio"));
    expect((await verifyImage(image)).corrupt).toEqual([
      { file: "vmlinuz", reason: "has 3 bytes instead of 22" },
      { file: "initrd.cpio", reason: "missing" },
    ]);
  });

  test.each(["", "{}", "null", '{"version":'])("reports the manifest %j as corrupt", async (text) => {
    await writeFile(join(image, "manifest.json"), text);
    const { ok, corrupt } = await verifyImage(image);
    expect([ok, corrupt.map(({ file }) => file)]).toEqual([false, ["manifest.json"]]);
    await expect(readManifest(image)).rejects.toBeInstanceOf(ImageCorruptError);
  });
});

describe("the manifest's schema", () => {
  test.each([
    ["an unknown key", { extra: 1 }],
    ["another version", { version: 2 }],
    ["a key that is a path", { key: "../../etc" }],
    ["a kernel with a space", { kernel: "6.1 quiet" }],
    ["a file too few", { files: {} }],
  ])("refuses %s", async (_, change) => {
    const manifest = await readManifest(image);
    expect(imageManifestSchema.safeParse({ ...manifest, ...change }).success).toBe(false);
  });

  test("refuses a file that is no part of an image", async () => {
    const manifest = await readManifest(image);
    const files = { ...manifest.files, "../x": manifest.files.vmlinuz };
    expect(imageManifestSchema.safeParse({ ...manifest, files }).success).toBe(false);
  });
});
