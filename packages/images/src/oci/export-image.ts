import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { CommandRunner } from "../command-runner.ts";
import { ImageBuildError } from "../image-error.ts";
import { readManifest } from "../manifest.ts";
import { writeOciArchive } from "./oci-archive.ts";

/** Where the image's `poweroff` and `reboot` lead, as in a guest. */
export const AGENT_PATH = "run/microterm/agent";

export interface ExportOptions {
  /** Of a finished image. */
  readonly image: string;
  /** The agent that it was made with. */
  readonly agentBinary: string;
  /** The archive. */
  readonly path: string;
  readonly name: string;
  /** A folder for the guest's files while they are packed, 2 GB at most. */
  readonly scratch: string;
  readonly runner: CommandRunner;
}

/**
 * Writes an image as an OCI archive whose containers run the agent. Needs root, who alone can give files other owners.
 *
 * @returns the digest of its manifest.
 */
export async function exportImage(options: ExportOptions): Promise<string> {
  const { image, agentBinary, path, name, runner } = options;
  const { key } = await readManifest(image);
  await mkdir(options.scratch, { recursive: true });
  const scratch = await mkdtemp(join(options.scratch, "export-"));
  try {
    const [root, tar] = [join(scratch, "root"), join(scratch, "root.tar")];
    await run(runner, ["fsck.erofs", `--extract=${root}`, join(image, "root.erofs")]);
    await mkdir(join(root, "run/microterm"), { recursive: true });
    const same = [
      "--sort=name",
      "--mtime=@0",
      "--numeric-owner",
      "--format=pax",
      "--pax-option=delete=atime,delete=ctime",
    ];
    await run(runner, ["tar", ...same, "-C", root, "-cf", tar, "."]);
    const agent = { path: AGENT_PATH, content: await readFile(agentBinary), mode: 0o755 };
    return await writeOciArchive({
      path,
      name,
      layers: [{ tar }, { files: [agent] }],
      config: {
        entrypoint: [`/${AGENT_PATH}`],
        labels: { "org.opencontainers.image.title": "microterm", "microterm.image": key },
      },
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function run(runner: CommandRunner, command: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await runner.run(command);
  if (code === 0) return;
  throw new ImageBuildError({
    step: "finish",
    message: `${command[0]} failed: ${`${stdout}\n${stderr}`.trim().split("\n").at(-1)}`,
    hint: "Run it as root, with erofs-utils and tar, where there is room for the image's files.",
  });
}
