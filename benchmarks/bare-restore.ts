import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { GuestAgent } from "@microterm/core";
import { connectUnix, openResynced, runCommand } from "@microterm/host";
import { AgentLink } from "../packages/drivers/src/shared/agent-link.ts";
import { poll } from "../support/server.ts";
import type { TestDaemon } from "../support/test-daemon.ts";

const PATIENCE_MS = 60_000;

/** A restored machine of the daemon's: its command line, and where its template's files are. */
export interface RestoreRecipe {
  readonly command: readonly string[];
  readonly imageFolder: string;
  readonly template: string;
  readonly magic: Buffer;
}

/** QEMU on the same template with the same arguments, without jail, daemon and server. */
export interface BareRestore {
  readonly agent: GuestAgent;
  readonly pid: number;
  /** From before the process was started until the agent's hello, ms. */
  readonly restoreMs: number;
  close(): Promise<void>;
}

/** Reads the recipe from a restored machine that runs now. */
export async function restoreRecipeOf(daemon: TestDaemon): Promise<RestoreRecipe> {
  for (const { pid, machineId, magic } of (await daemon.client.list()).machines) {
    if (pid === null || magic === null) continue;
    const command = (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0").slice(0, -1);
    if (!command.includes("-incoming")) continue;
    const record = JSON.parse(readFileSync(join(daemon.data, "host/machines", machineId, "machine.json"), "utf8"));
    return {
      command,
      imageFolder: join(daemon.data, "host/images", daemon.image.key),
      template: join(daemon.data, "host/templates", record.memory.template),
      magic: Buffer.from(magic, "hex"),
    };
  }
  throw new Error(
    `no restored machine runs; templates: ${readdirSync(join(daemon.data, "host/templates")).join(", ")}`,
  );
}

/** Speaks just enough QMP to load a saved state. */
async function load(socketPath: string, state: string): Promise<void> {
  const socket = await connectUnix(socketPath, { timeoutMs: PATIENCE_MS });
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape.
  const execute = async (command: string, args: object = {}): Promise<any> => {
    socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error(`QEMU's monitor has gone at ${command}`);
      const answer = JSON.parse(value);
      if (answer.error !== undefined) throw new Error(`${command}: ${answer.error.desc}`);
      if (answer.return !== undefined) return answer.return;
    }
  };
  await execute("qmp_capabilities");
  const capabilities = [{ capability: "x-ignore-shared", state: true }];
  await execute("migrate-set-capabilities", { capabilities });
  await execute("migrate-incoming", { uri: `exec:cat ${state}` });
  for (;;) {
    const { status } = await execute("query-migrate");
    if (status === "completed") break;
    if (status === "failed") throw new Error("the state could not be loaded");
  }
  await execute("cont");
  socket.destroy();
}

export async function restoreBare(recipe: RestoreRecipe): Promise<BareRestore> {
  const folder = await mkdtemp(join(tmpdir(), "mt-bare-"));
  await runCommand(["cp", "--sparse=always", join(recipe.template, "disk"), join(folder, "disk.ext4")]);
  const words = recipe.command.map((word) =>
    word
      .replaceAll("/image/", `${recipe.imageFolder}/`)
      .replace("/disk.ext4", `${folder}/disk.ext4`)
      .replace("/proc/self/fd/6", join(recipe.template, "memory"))
      .replace(/^socket,id=(agent|qmp|control),fd=\d+/, `socket,id=$1,path=${folder}/$1.sock`),
  );
  const sandbox = words.indexOf("-sandbox");
  if (sandbox !== -1) words.splice(sandbox, 2);
  const [program = "", ...args] = words;
  const begin = performance.now();
  const vmm = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  vmm.stderr.on("data", (chunk) => {
    said += chunk;
  });
  const ended = once(vmm, "close");
  const remove = (): void => {
    vmm.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", remove);
  const link = new AgentLink({ open: (limits) => openResynced(join(folder, "agent.sock"), recipe.magic, limits) });
  void ended.then(() => link.end(`the bare guest's QEMU ended: ${said}`));
  const close = async (): Promise<void> => {
    link.end("the benchmark is over");
    vmm.kill("SIGKILL");
    await ended;
    process.off("exit", remove);
    remove();
  };
  try {
    await poll("QEMU's sockets", () => existsSync(join(folder, "control.sock")));
    await load(join(folder, "qmp.sock"), join(recipe.template, "state"));
    const agent = await link.agent({ timeoutMs: PATIENCE_MS });
    return { agent, pid: vmm.pid ?? 0, restoreMs: performance.now() - begin, close };
  } catch (error) {
    await close();
    throw error;
  }
}
