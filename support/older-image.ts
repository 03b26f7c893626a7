import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, link, mkdir, open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestImage } from "./test-image.ts";

/** In erofs a small file stands as it is. Two of these are /etc/issue's and /etc/issue.net's. */
const NOW = Buffer.from("Debian GNU/Linux 12");
const BEFORE = Buffer.from("Debian GNU/Linux 11");
/** Where small files lie. */
const LOOKED_THROUGH = 1 << 20;

/**
 * Another image: the real one, but for what its /etc/issue says, and so with another content hash.
 *
 * @param folder where it is made, in a folder of its key.
 */
export async function makeOlderImage(image: TestImage, folder: string): Promise<TestImage> {
  const key = createHash("sha256").update(`older than ${image.key}`).digest("hex");
  const directory = join(folder, key);
  await mkdir(directory, { recursive: true });
  for (const name of ["vmlinuz", "initrd.cpio"]) await share(join(image.directory, name), join(directory, name));
  const root = join(directory, "root.erofs");
  await copyFile(join(image.directory, "root.erofs"), root);
  await replace(root);
  const manifest = JSON.parse(await readFile(join(image.directory, "manifest.json"), "utf8"));
  const files = { ...manifest.files, "root.erofs": { ...manifest.files["root.erofs"], sha256: await sha256(root) } };
  await writeFile(join(directory, "manifest.json"), JSON.stringify({ ...manifest, key, files }));
  return { directory, key };
}

/** Links where it can, copies where it cannot. */
export const share = (from: string, to: string): Promise<void> => link(from, to).catch(() => copyFile(from, to));

async function replace(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    const start = (await file.read(Buffer.alloc(LOOKED_THROUGH), 0, LOOKED_THROUGH, 0)).buffer;
    let found = 0;
    for (let at = start.indexOf(NOW); at >= 0; at = start.indexOf(NOW, at + 1), found++) {
      await file.write(BEFORE, 0, BEFORE.length, at);
    }
    if (found === 0) throw new Error(`${path} has no plain '${NOW}' to replace`);
  } finally {
    await file.close();
  }
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
