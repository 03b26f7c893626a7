import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { hashFile } from "./hash-file.ts";
import { ImageCorruptError } from "./image-error.ts";

/** What an image consists of, besides its manifest. `vmlinuz` is an ELF kernel; see kernel.ts. */
export const IMAGE_FILES = ["vmlinuz", "initrd.cpio", "root.erofs"] as const;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export const fileRecordSchema = z.strictObject({ size: z.int().min(1), sha256 });

/** manifest.json; the format is docs/reference/guest-boot.md's, version 1. */
export const imageManifestSchema = z.strictObject({
  version: z.literal(1),
  key: sha256,
  /** The kernel's release, as `uname -r` prints it. */
  kernel: z.string().regex(/^[0-9A-Za-z.+_~-]{1,128}$/),
  files: z.strictObject({ vmlinuz: fileRecordSchema, "initrd.cpio": fileRecordSchema, "root.erofs": fileRecordSchema }),
});

export type FileRecord = z.infer<typeof fileRecordSchema>;
export type ImageManifest = z.infer<typeof imageManifestSchema>;

export async function readJson<T>(directory: string, file: string, schema: z.ZodType<T>): Promise<T> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(join(directory, file), "utf8"));
  } catch (cause) {
    throw new ImageCorruptError(file, "missing or not JSON", { cause });
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new ImageCorruptError(file, z.prettifyError(parsed.error), { cause: parsed.error });
  return parsed.data;
}

/** Rejects with ImageCorruptError when the manifest is missing, not JSON, or has a missing, wrong or unknown key. */
export function readManifest(directory: string): Promise<ImageManifest> {
  return readJson(directory, "manifest.json", imageManifestSchema);
}

export interface CorruptFile {
  readonly file: string;
  readonly reason: string;
}

export interface ImageVerdict {
  readonly ok: boolean;
  readonly corrupt: readonly CorruptFile[];
}

/** Hashes the image's files again (some 0.3 s for 200 MB) and says which differ from the manifest. Never rejects for a bad image. */
export async function verifyImage(directory: string): Promise<ImageVerdict> {
  try {
    const manifest = await readManifest(directory);
    const corrupt = await corruptFiles(directory, manifest.files);
    return { ok: corrupt.length === 0, corrupt };
  } catch (error) {
    if (!(error instanceof ImageCorruptError)) throw error;
    return { ok: false, corrupt: [{ file: error.file, reason: error.message }] };
  }
}

/** Compares files with their records: the size first, so that a cut file is found without reading it. */
export async function corruptFiles(
  directory: string,
  records: Readonly<Record<string, FileRecord>>,
): Promise<readonly CorruptFile[]> {
  const checked = await Promise.all(
    Object.entries(records).map(async ([file, record]): Promise<CorruptFile | undefined> => {
      const path = join(directory, file);
      const found = await stat(path).catch(() => undefined);
      if (!found?.isFile()) return { file, reason: "missing" };
      if (found.size !== record.size) return { file, reason: `has ${found.size} bytes instead of ${record.size}` };
      const hash = await hashFile(path);
      return hash === record.sha256 ? undefined : { file, reason: "its content differs from its SHA-256" };
    }),
  );
  return checked.filter((verdict) => verdict !== undefined);
}

export async function recordFile(directory: string, file: string): Promise<FileRecord> {
  const path = join(directory, file);
  const [{ size }, hash] = await Promise.all([stat(path), hashFile(path)]);
  return { size, sha256: hash };
}
