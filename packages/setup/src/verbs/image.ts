import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import { exportImage, exportServerImage } from "@microterm/images";
import { buildBinaries, buildPage, ensureImage } from "../build/build.ts";
import { stageServer } from "../build/stage-server.ts";
import { CHECKOUT, cacheFolder } from "../data/paths.ts";
import { createProgress, type Progress, SetupError } from "../progress.ts";
import type { ImageOptions } from "./options.ts";

/** `microterm image export FILE`, `microterm image push NAME`: what a cluster's pods are made of, environments or servers. Returns the exit code. */
export async function image(options: ImageOptions): Promise<number> {
  if (process.getuid?.() !== 0) {
    throw new SetupError("the image's files have owners, which only root can give them", "run it as root");
  }
  const progress = createProgress();
  const cache = cacheFolder();
  const scratch = mkdtempSync(join(cache, "export-"));
  try {
    if (options.action === "export") {
      const { file, name } = options;
      if (existsSync(file)) throw new SetupError(`${file} is there already`, "remove it, or name another file");
      await write({ ...options, path: file, name, cache, scratch, progress });
    } else {
      const archive = join(scratch, "image.tar");
      await write({ ...options, path: archive, cache, scratch, progress });
      await push(archive, options.name, progress);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return 0;
}

interface Archive extends Pick<ImageOptions, "of"> {
  readonly path: string;
  readonly name: string;
  readonly cache: string;
  readonly scratch: string;
  readonly progress: Progress;
}

/** Prints the digest by which registries know it. */
async function write({ of, path, name, cache, scratch, progress }: Archive): Promise<void> {
  const { agent } = await buildBinaries(cache, progress);
  const built = await ensureImage(cache, agent, progress);
  if (of === "server") await buildPage(progress);
  const step = progress.step("Writing the image");
  const parts = { image: built.path, path, name, scratch, runner: { run: runCommand } };
  const digest = await (of === "environments"
    ? exportImage({ ...parts, agentBinary: agent })
    : exportServerImage({ ...parts, server: stage(scratch) }));
  step.done();
  process.stdout.write(`${digest}\n`);
}

function stage(scratch: string): string {
  const folder = join(scratch, "server");
  stageServer(CHECKOUT, folder);
  return folder;
}

/** With the credentials that skopeo finds for that registry (containers-auth.json(5)). */
async function push(archive: string, name: string, progress: Progress): Promise<void> {
  const step = progress.step(`Pushing it to ${name}`);
  const command = ["skopeo", "copy", "--quiet", `oci-archive:${archive}`, `docker://${name}`];
  const { code, stderr } = await runCommand(command).catch((cause: unknown) => {
    throw new SetupError("skopeo, which pushes images, is missing", "apt-get install skopeo", { cause });
  });
  if (code === 0) return step.done();
  throw new SetupError(
    `the image could not be pushed: ${stderr.trim().split("\n").at(-1)}`,
    `skopeo login ${name.split("/")[0]}, then: ./microterm image push ${name}`,
  );
}
