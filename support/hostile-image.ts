import { createHash, randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import { readManifest } from "@microterm/images";
import { writeCpio } from "../packages/images/src/formats/cpio.ts";
import { makeTempFolder, type TempFolder } from "./temp-folder.ts";
import { type TestImage, testImage } from "./test-image.ts";

const SOURCE = join(import.meta.dirname, "../tests/security/hostile-init/init.rs");

/** The real image but for its PID 1, which means ill: what it does is at the head of its source. */
export async function buildHostileImage(): Promise<TestImage & Pick<TempFolder, "remove">> {
  const real = await testImage();
  const folder = await makeTempFolder();
  const directory = join(folder.path, "image");
  await mkdir(directory);
  const program = join(folder.path, "init");
  const flags = ["--edition=2024", "-Copt-level=1", "-Cpanic=abort", "-Ctarget-feature=+crt-static", "-o", program];
  const { code, stderr } = await runCommand([process.env.RUSTC ?? "rustc", ...flags, SOURCE]);
  if (code !== 0) throw new Error(`the hostile init could not be compiled: ${stderr}`);

  // The kernel unpacks archives one after the other, and the last file of a name stays.
  const initrd = Buffer.concat([
    await readFile(join(real.directory, "initrd.cpio")),
    writeCpio([{ type: "file", name: "init", mode: 0o755, data: await readFile(program) }]),
  ]);
  await writeFile(join(directory, "initrd.cpio"), initrd);
  for (const file of ["vmlinuz", "root.erofs"]) {
    await copyFile(join(real.directory, file), join(directory, file), constants.COPYFILE_FICLONE);
  }
  const manifest = await readManifest(real.directory);
  const key = randomBytes(32).toString("hex");
  const record = { size: initrd.length, sha256: createHash("sha256").update(initrd).digest("hex") };
  const changed = { ...manifest, key, files: { ...manifest.files, "initrd.cpio": record } };
  await writeFile(join(directory, "manifest.json"), JSON.stringify(changed));
  return { directory, key, remove: folder.remove };
}
