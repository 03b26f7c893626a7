import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AgentLink, openResynced } from "@microterm/agent-client";
import type { GuestAgent } from "@microterm/core";
import { runCommand } from "@microterm/host";
import type { TestDaemon } from "../support/test-daemon.ts";

/** A machine's command line as microterm-host made it, and where outside of the jail its image is. */
export interface JailedCommand {
  readonly command: readonly string[];
  readonly imageFolder: string;
}

/** Of a machine that runs now, so that what is measured beside the product is always the product's own guest. */
export async function commandOf(daemon: TestDaemon, pid: number): Promise<JailedCommand> {
  const command = (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0").slice(0, -1);
  return { command, imageFolder: join(daemon.data, "host/images", daemon.image.key) };
}

export interface BareOptions {
  readonly jailed: JailedCommand;
  /** To be copied. */
  readonly disk: string;
  /** Of the guest channel. */
  readonly magic: Buffer;
  /** What else is to differ of the arguments, whose files and sockets are those of `folder`. */
  change(words: readonly string[], folder: string): readonly string[];
  /** Makes of QEMU's command the one that is run, and keeps its pid. */
  readonly enter?: (command: readonly string[]) => readonly string[];
  /** Waits for the guest, and may see to it that there is one. */
  begin(qemu: BareQemu): Promise<GuestAgent>;
}

/** QEMU with a jailed one's arguments, without jail, daemon and server. */
export interface BareQemu {
  readonly pid: number;
  /** Its sockets and its disk. */
  readonly folder: string;
  readonly link: AgentLink;
}

export interface BareGuest {
  readonly agent: GuestAgent;
  readonly pid: number;
  readonly folder: string;
  /** From before the process was started until the agent's hello, ms. */
  readonly startMs: number;
  close(): Promise<void>;
}

export async function startBare({ jailed, disk, magic, change, enter, begin }: BareOptions): Promise<BareGuest> {
  const folder = await mkdtemp(join(tmpdir(), "mt-bare-"));
  // Node's own copy would fill the holes of a sparse file.
  await runCommand(["cp", "--sparse=always", disk, join(folder, "disk.ext4")]);
  const words = change(outOfJail(jailed, folder), folder);
  const [program = "", ...args] = enter?.(words) ?? words;
  const begun = performance.now();
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
  // A run that is interrupted has nothing else to end it.
  process.once("exit", remove);
  const close = async (): Promise<void> => {
    link.end("the benchmark is over");
    vmm.kill("SIGKILL");
    await ended;
    process.off("exit", remove);
    remove();
  };
  const pid = vmm.pid ?? 0;
  try {
    const agent = await begin({ pid, folder, link });
    return { agent, pid, folder, startMs: performance.now() - begun, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What the jail adds to QEMU's arguments, and what names files inside of it, becomes what a bare start needs. */
function outOfJail({ command, imageFolder }: JailedCommand, folder: string): string[] {
  const words = command.map((word) =>
    word
      .replaceAll("/image/", `${imageFolder}/`)
      .replace("/disk.ext4", `${folder}/disk.ext4`)
      .replace(/^socket,id=(agent|qmp|control),fd=\d+/, `socket,id=$1,path=${folder}/$1.sock`),
  );
  const sandbox = words.indexOf("-sandbox");
  if (sandbox !== -1) words.splice(sandbox, 2);
  return words;
}
