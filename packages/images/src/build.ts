import { chmod, constants, copyFile, link, mkdir, open, readdir, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { CommandRunner } from "./command-runner.ts";
import { type AptSources, findAptSources } from "./debian/apt-sources.ts";
import { type Base, buildBase, checkBase } from "./debian/base.ts";
import { checkHost } from "./host-needs.ts";
import { ImageBuildError } from "./image-error.ts";
import { buildInitrd } from "./initrd.ts";
import { installFolder } from "./install-folder.ts";
import { IMAGE_FILES, type ImageManifest, readManifest, recordFile, verifyImage } from "./manifest.ts";
import { createProgress, type Progress, type ProgressListener } from "./progress.ts";
import { baseKey, imageKey } from "./recipe.ts";
import { makeScratch, removeScratch, removeStaleScratch } from "./scratch.ts";

export interface BuildOptions {
  /** Finished images, each in a folder named by its key. */
  readonly outDir: string;
  /** The expensive parts, shared by images that differ in their agent only. May be removed at any time. */
  readonly cacheDir: string;
  /** The guest's PID 1: a static x86-64 binary. */
  readonly agentBinary: string;
  readonly runner: CommandRunner;
  readonly onProgress?: ProgressListener;
  readonly signal?: AbortSignal;
  /** Where the guest's files lie while they are packed, 1 GB at most, on a disk. `/var/tmp` when absent. */
  readonly scratchDir?: string;
  /** `process.env` when absent: PATH, HOME and the proxies are taken from it. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** The host's own mirrors when absent. */
  readonly sources?: AptSources;
  /** For a guest with less in it. The recipe's list when absent; `customize.sh` needs some of those packages itself. */
  readonly packages?: readonly string[];
}

export interface BuiltImage {
  readonly directory: string;
  readonly manifest: ImageManifest;
  /** `reused`: nothing was done; `initrd`: only the cheap part was rebuilt; `all`: mmdebstrap ran. */
  readonly made: "reused" | "initrd" | "all";
}

interface Build extends BuildOptions {
  readonly progress: Progress;
  readonly sources: AptSources;
}

const named = (corrupt: readonly { file: string; reason: string }[]) =>
  corrupt.map(({ file, reason }) => (reason.startsWith(file) ? reason : `${file} ${reason}`)).join(", ");

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/** A file system may keep a rename and lose what was written before it; so the files go to the disk first. */
async function flush(path: string): Promise<void> {
  const handle = await open(path, "r");
  await handle.sync().finally(() => handle.close());
}

/** Links where it can (200 MB that exist once), else clones or copies. */
async function share(from: string, to: string): Promise<void> {
  await link(from, to).catch(() => copyFile(from, to, constants.COPYFILE_FICLONE));
}

/** Bases of older recipes, 220 MB each. Images made of them have links or copies of their own. */
async function removeOtherBases(bases: string, key: string): Promise<void> {
  const names = (await readdir(bases)).filter((name) => /^[0-9a-f]{64}$/.test(name) && name !== key);
  await Promise.all(names.map((name) => rm(join(bases, name), { recursive: true, force: true })));
}

async function obtainBase(build: Build): Promise<{ base: Base; directory: string; isNew: boolean }> {
  const key = await baseKey({ suite: build.sources.suite, packages: build.packages });
  const directory = join(build.cacheDir, "bases", key);
  await mkdir(dirname(directory), { recursive: true });
  if (await exists(directory)) {
    const { base, corrupt } = await checkBase(directory);
    if (base) return { base, directory, isNew: false };
    build.progress.note(`The cached base is corrupt (${named(corrupt)}); it is rebuilt`);
  }
  await checkHost();
  const scratch = await makeScratch(build.scratchDir ?? "/var/tmp");
  const staged = await makeScratch(dirname(directory));
  try {
    // mkdtemp makes them the caller's alone; the user namespace of an ordinary user's build has other ids.
    await Promise.all([chmod(scratch, 0o755), chmod(staged, 0o755)]);
    const environment = build.environment ?? process.env;
    const base = await buildBase({ ...build, key, directory, scratch, environment }, staged);
    await removeOtherBases(dirname(directory), key);
    return { base, directory, isNew: true };
  } finally {
    await Promise.all([removeScratch(scratch, build.runner), removeScratch(staged, build.runner)]);
  }
}

async function assemble(build: Build, key: string, target: string): Promise<BuiltImage> {
  const { base, directory, isNew } = await obtainBase(build);
  build.progress.report("initrd", "Packing the agent");
  const staged = await makeScratch(build.outDir);
  try {
    await chmod(staged, 0o755);
    for (const file of ["vmlinuz", "root.erofs"]) await share(join(directory, file), join(staged, file));
    const initrd = await buildInitrd({ agentBinary: build.agentBinary, modules: join(directory, "modules") });
    await writeFile(join(staged, "initrd.cpio"), initrd, { mode: 0o644 });
    build.progress.report("finish", "Noting what was made");
    const { vmlinuz, "root.erofs": root } = base.files;
    const files = { vmlinuz, "initrd.cpio": await recordFile(staged, "initrd.cpio"), "root.erofs": root };
    const manifest = { version: 1, key, kernel: base.kernel, files };
    await writeFile(join(staged, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o644 });
    await Promise.all([...IMAGE_FILES, "manifest.json"].map((file) => flush(join(staged, file))));
    build.signal?.throwIfAborted();
    await installFolder(staged, target, async () => (await verifyImage(target)).ok);
    await flush(build.outDir);
  } finally {
    await removeScratch(staged, build.runner);
  }
  build.progress.report("finish", "The image is ready", 1);
  return { directory: target, manifest: await readManifest(target), made: isNew ? "all" : "initrd" };
}

/**
 * Makes the image of docs/reference/guest-boot.md for this agent at `outDir/<key>`, or finds it there, verified. What
 * exists under that name is complete: it is made elsewhere and renamed. A corrupt one is replaced, and progress says so.
 * May be killed at any moment; the next call removes what was left, and two at once only do the work twice.
 *
 * Takes 1 to 2 minutes and the network when there is no base yet, else under 2 s and neither root nor network.
 *
 * @throws ImageBuildError with the step and its hint; the signal's reason when aborted.
 */
export async function buildImage(options: BuildOptions): Promise<BuiltImage> {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new ImageBuildError({
      step: "check",
      message: `images are made for x86-64 Linux only, and this is ${process.platform} on ${process.arch}`,
      hint: "Use an x86-64 host.",
    });
  }
  options.signal?.throwIfAborted();
  const progress = createProgress(options.onProgress ?? (() => {}));
  progress.report("check", "Looking for an image that fits");
  const build: Build = { ...options, progress, sources: options.sources ?? (await findAptSources()) };
  await mkdir(options.outDir, { recursive: true });
  for (const parent of [options.outDir, join(options.cacheDir, "bases"), options.scratchDir ?? "/var/tmp"]) {
    await removeStaleScratch(parent, options.runner);
  }
  const { agentBinary, packages } = options;
  const key = await imageKey({ agentBinary, suite: build.sources.suite, packages });
  const target = join(options.outDir, key);
  if (await exists(target)) {
    const { ok, corrupt } = await verifyImage(target);
    if (ok) return { directory: target, manifest: await readManifest(target), made: "reused" };
    progress.note(`The image is corrupt (${named(corrupt)}); it is rebuilt`);
  }
  return assemble(build, key, target);
}
