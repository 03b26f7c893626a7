import { chmod, cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { CommandRunner } from "../command-runner.ts";
import { extractElfKernel } from "../formats/kernel.ts";
import { ImageBuildError, ImageCorruptError } from "../image-error.ts";
import { installFolder } from "../install-folder.ts";
import { type CorruptFile, corruptFiles, fileRecordSchema, readJson, recordFile } from "../manifest.ts";
import { followBootstrap, type Progress } from "../progress.ts";
import { RECIPE_DIRECTORY, readPackages } from "../recipe.ts";
import { aptOptions, proxyEnvironment } from "./apt-options.ts";
import type { AptSources } from "./apt-sources.ts";
import { BASE_OUTPUT, baseCommand, baseEnvironment } from "./base-command.ts";
import { bootstrapFailure } from "./bootstrap-failure.ts";
import { BOOT_MODULES, modulesInOrder } from "./modules.ts";

/** base.json: what a finished base consists of. */
const baseSchema = z.strictObject({
  version: z.literal(1),
  kernel: z.string().min(1),
  files: z.record(z.string(), fileRecordSchema),
});

export type Base = z.infer<typeof baseSchema>;

export interface BaseOptions {
  readonly key: string;
  readonly directory: string;
  readonly sources: AptSources;
  readonly packages?: readonly string[];
  /** A folder of this build's own, on the disk, that any uid may enter. */
  readonly scratch: string;
  readonly runner: CommandRunner;
  readonly progress: Progress;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
}

export async function checkBase(directory: string): Promise<{ base?: Base; corrupt: readonly CorruptFile[] }> {
  try {
    const base = await readJson(directory, "base.json", baseSchema);
    const corrupt = await corruptFiles(directory, base.files);
    return corrupt.length === 0 ? { base, corrupt } : { corrupt };
  } catch (error) {
    if (error instanceof ImageCorruptError) return { corrupt: [{ file: error.file, reason: error.message }] };
    throw error;
  }
}

/** The recipe's copy that a user namespace may read: the checkout may lie in a home that is closed to others. */
async function copyRecipe(scratch: string): Promise<string> {
  const recipe = join(scratch, "recipe");
  await cp(RECIPE_DIRECTORY, recipe, { recursive: true });
  return recipe;
}

async function bootstrap(options: BaseOptions, output: string): Promise<void> {
  const { scratch, sources, runner, progress } = options;
  progress.report("sources", `Asking ${sources.suite}'s mirror for its package lists`);
  const command = baseCommand({
    sources,
    packages: options.packages ?? (await readPackages()),
    aptOptions: await aptOptions(runner),
    recipe: await copyRecipe(scratch),
    output,
    isRoot: process.getuid?.() === 0,
  });
  const uuid = options.key.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, "$1-$2-$3-$4-$5");
  const result = await runner.run(command, {
    cwd: "/",
    env: { ...baseEnvironment({ uuid, scratch, host: options.environment }), ...proxyEnvironment(options.environment) },
    onLine: followBootstrap(progress),
    ...(options.signal ? { signal: options.signal } : {}),
  });
  if (result.code !== 0) {
    throw bootstrapFailure({ step: progress.step(), log: result.stdout + result.stderr, sources: sources.lines });
  }
}

/** Takes what mmdebstrap left, and makes the base's own files of it. */
async function collect(output: string, staged: string, progress: Progress): Promise<void> {
  progress.report("filesystem", "Unpacking the kernel", 1);
  const bzImage = await readFile(join(output, BASE_OUTPUT.kernel));
  await writeFile(join(staged, "vmlinuz"), extractElfKernel(bzImage) ?? bzImage);
  await cp(join(output, BASE_OUTPUT.root), join(staged, "root.erofs"));
  const tree = join(output, BASE_OUTPUT.modules);
  const [dep, builtin] = (await Promise.all(
    ["modules.dep", "modules.builtin"].map((name) => readFile(join(tree, name), "utf8")),
  )) as [string, string];
  const paths = modulesInOrder({ wanted: BOOT_MODULES, dep, builtin });
  const names = paths.map((path) => path.slice(path.lastIndexOf("/") + 1));
  await mkdir(join(staged, "modules"));
  await Promise.all(paths.map((path, index) => cp(join(tree, path), join(staged, "modules", names[index] as string))));
  await writeFile(join(staged, "modules/order"), `${names.join("\n")}\n`);
  const kernel = (await readFile(join(output, BASE_OUTPUT.version), "utf8")).trim();
  const files = ["vmlinuz", "root.erofs", "modules/order", ...names.map((name) => `modules/${name}`)];
  const records = await Promise.all(files.map(async (file) => [file, await recordFile(staged, file)] as const));
  await Promise.all(files.map((file) => chmod(join(staged, file), 0o644)));
  const base: Base = { version: 1, kernel, files: Object.fromEntries(records) };
  await writeFile(join(staged, "base.json"), `${JSON.stringify(base, null, 2)}\n`);
}

/** Makes a base and puts it at `directory` in one step; `staged` lies beside it, on the same file system. */
export async function buildBase(options: BaseOptions, staged: string): Promise<Base> {
  const output = join(options.scratch, "out");
  await mkdir(output);
  await bootstrap(options, output);
  await collect(output, staged, options.progress).catch((cause: Error) => {
    throw new ImageBuildError({
      step: "filesystem",
      message: `what mmdebstrap made can't be used: ${cause.message}`,
      hint: "Free disk space if that is what is missing, then try again.",
      cause,
    });
  });
  await installFolder(staged, options.directory, async () => (await checkBase(options.directory)).base !== undefined);
  return readJson(options.directory, "base.json", baseSchema);
}
