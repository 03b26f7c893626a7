import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { constants, cp, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { runCommand } from "@microterm/host";
import { buildImage } from "@microterm/images";
import { keepNewest, PROGRAMS, touch } from "../../../packages/setup/src/build/build.ts";
import { sourcesOf } from "../../../support/debian-bootstrap.ts";
import type { Absence, FirecrackerBinaries } from "../../../support/firecracker-binaries.ts";
import { rustBinary } from "../../../support/rust-binaries.ts";
import { SUITE } from "./debian.ts";

const CHECKOUT = resolve(import.meta.dirname, "../../..");
/** What of the checkout is not taken along, or by itself. */
const LEFT_OUT = /^(\.git|node_modules|tests\/\.artifacts|rust\/(fuzz\/)?target)$/;
/** What the image's own build needs of a Debian (customize.sh), and what the tests run in guests. */
const GUEST_PACKAGES = ["kmod", "locales", "passwd", "procps", "python3-minimal", "sudo"];
/** Several checkouts may share a cache. */
const KEPT = 3;

async function packErofs(target: string, folder: string, options: readonly string[] = []): Promise<void> {
  const { code, stderr } = await runCommand(["mkfs.erofs", "--quiet", "--all-root", ...options, target, folder]);
  if (code !== 0) throw new Error(`mkfs.erofs could not pack ${folder}: ${stderr}`);
}

/** node_modules as a disk, made again when what npm has installed is another. */
export async function packModules(cache: string): Promise<string> {
  const modules = join(CHECKOUT, "node_modules");
  const installed = await readFile(join(modules, ".package-lock.json"));
  const folder = join(cache, "modules");
  const disk = join(folder, `${createHash("sha256").update(installed).digest("hex").slice(0, 16)}.erofs`);
  await mkdir(folder, { recursive: true });
  if (existsSync(disk)) touch(disk);
  else {
    const staged = join(folder, `new-${process.pid}`);
    await packErofs(staged, modules, ["--exclude-regex=^/?\\.(vite|cache)"]);
    await rename(staged, disk);
  }
  keepNewest(folder, KEPT);
  return disk;
}

export interface PayloadOptions {
  readonly cache: string;
  readonly folder: string;
  /** Which tests are run; all when empty. */
  readonly tests: readonly string[];
  readonly firecracker: FirecrackerBinaries | Absence;
}

/**
 * Checkout, binaries and guest image as one disk. The image is the one that a host of the lab's release makes, with few packages: each
 * daemon hashes all of it, which in emulated code is most of its start.
 */
export async function packPayload({ cache, folder, tests, firecracker }: PayloadOptions): Promise<string> {
  const staged = join(folder, "payload");
  await cp(CHECKOUT, join(staged, "checkout"), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (from) => !LEFT_OUT.test(relative(CHECKOUT, from)),
  });
  const [agent, daemon] = [await rustBinary("microterm-agent"), await rustBinary("microterm-host")];
  for (const name of PROGRAMS) await cp(join(dirname(daemon), name), join(staged, "bin", name));
  if (!("absence" in firecracker))
    for (const name of ["firecracker", "jailer"] as const) await cp(firecracker[name], join(staged, "bin", name));

  const { directory } = await buildImage({
    outDir: join(cache, "images"),
    cacheDir: join(cache, "image-parts"),
    agentBinary: agent,
    runner: { run: runCommand },
    sources: await sourcesOf(SUITE),
    packages: GUEST_PACKAGES,
  });
  touch(directory);
  keepNewest(join(cache, "images"), KEPT);
  await cp(directory, join(staged, "image"), { recursive: true, mode: constants.COPYFILE_FICLONE });

  await writeFile(join(staged, "tests"), tests.map((test) => `${test}\n`).join(""));
  const disk = join(folder, "payload.erofs");
  await packErofs(disk, staged);
  await rm(staged, { recursive: true });
  return disk;
}
