import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GuestAgent } from "@microterm/core";
import { openResynced, runCommand } from "@microterm/host";
import { AgentLink } from "../packages/drivers/src/shared/agent-link.ts";
import type { TestDaemon } from "../support/test-daemon.ts";

const BOOT_MS = 120_000;

/** A guest's command line as microterm-host made it, and where outside of the jail its files are. */
export interface GuestRecipe {
  readonly command: readonly string[];
  readonly imageFolder: string;
  /** An empty disk of the same size, to be copied. */
  readonly blankDisk: string;
}

/** QEMU on the same image with the same arguments, without jail, daemon and server. */
export interface BareGuest {
  readonly agent: GuestAgent;
  /** From before the process was started until the agent's hello, ms. */
  readonly bootMs: number;
  /** The socket of the second port, where one was asked for. */
  readonly rawSocket: string;
  close(): Promise<void>;
}

/**
 * Reads the recipe from a machine of the daemon's that runs now, so that what is measured beside the product is always the product's own
 * guest. `blankDisk` must outlive the recipe.
 */
export async function recipeOf(daemon: TestDaemon, blankDisk: string): Promise<GuestRecipe> {
  const [machine] = (await daemon.client.list()).machines;
  if (machine?.pid == null) throw new Error("no machine runs to read a command line from");
  const command = (await readFile(`/proc/${machine.pid}/cmdline`, "utf8")).split("\0").slice(0, -1);
  return { command, imageFolder: join(daemon.data, "host/images", daemon.image.key), blankDisk };
}

/** What the jail adds to QEMU's arguments, and what names files inside of it, becomes what a bare start needs. */
function bareCommand(recipe: GuestRecipe, folder: string, magic: string, rawPort: string | undefined): string[] {
  const words = recipe.command.map((word) =>
    word
      .replaceAll("/image/", `${recipe.imageFolder}/`)
      .replace("/disk.ext4", `${folder}/disk.ext4`)
      .replace(/^socket,id=(agent|qmp|control),fd=\d+/, `socket,id=$1,path=${folder}/$1.sock`)
      .replace(/microterm\.magic=[0-9a-f]+/, `microterm.magic=${magic}`),
  );
  const sandbox = words.indexOf("-sandbox");
  if (sandbox !== -1) words.splice(sandbox, 2);
  if (rawPort === undefined) return words;
  const raw = ["-chardev", `socket,id=raw,path=${folder}/raw.sock,server=on,wait=off`];
  return [
    ...words.map((word) => word.replace("max_ports=2", "max_ports=3")),
    ...raw,
    ...["-device", `virtserialport,chardev=raw,name=${rawPort}`],
  ];
}

export async function bootBare(recipe: GuestRecipe, rawPort?: string): Promise<BareGuest> {
  const folder = await mkdtemp(join(tmpdir(), "mt-bare-"));
  // Node's own copy would fill the holes of a sparse file.
  await runCommand(["cp", "--sparse=always", recipe.blankDisk, join(folder, "disk.ext4")]);
  const magic = randomBytes(16);
  const [program = "", ...args] = bareCommand(recipe, folder, magic.toString("hex"), rawPort);
  const begin = performance.now();
  const vmm = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  vmm.stderr.on("data", (chunk) => {
    said += chunk;
  });
  const ended = new Promise<void>((resolve) => {
    vmm.once("error", () => resolve());
    vmm.once("close", () => resolve());
  });
  const link = new AgentLink({ open: (limits) => openResynced(join(folder, "agent.sock"), magic, limits) });
  void ended.then(() => link.end(`the bare guest's QEMU ended: ${said}`));
  const remove = (): void => {
    vmm.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  // A run that is interrupted has nobody else to end it.
  process.once("exit", remove);
  const close = async (): Promise<void> => {
    link.end("the benchmark is over");
    vmm.kill("SIGKILL");
    await ended;
    process.off("exit", remove);
    remove();
  };
  try {
    const agent = await link.agent({ timeoutMs: BOOT_MS });
    return { agent, bootMs: performance.now() - begin, rawSocket: join(folder, "raw.sock"), close };
  } catch (error) {
    await close();
    throw error;
  }
}
