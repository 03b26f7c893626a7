import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { connectUnix } from "@microterm/host";
import { poll } from "../support/server.ts";
import type { TestDaemon } from "../support/test-daemon.ts";
import { type BareGuest, commandOf, type JailedCommand, startBare } from "./bare-qemu.ts";

const PATIENCE_MS = 60_000;

/** A restored machine of the daemon's: its command line, and where its template's files are. */
export interface RestoreRecipe {
  readonly jailed: JailedCommand;
  readonly template: string;
  readonly magic: Buffer;
}

/** Reads the recipe from a restored machine that runs now. */
export async function restoreRecipeOf(daemon: TestDaemon): Promise<RestoreRecipe> {
  for (const { pid, machineId, magic } of (await daemon.client.list()).machines) {
    if (pid === null || magic === null) continue;
    const jailed = await commandOf(daemon, pid);
    if (!jailed.command.includes("-incoming")) continue;
    const record = JSON.parse(readFileSync(join(daemon.data, "host/machines", machineId, "machine.json"), "utf8"));
    const template = join(daemon.data, "host/templates", record.memory.template);
    return { jailed, template, magic: Buffer.from(magic, "hex") };
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

/** Restores the same template bare. */
export async function restoreBare({
  jailed,
  template,
  magic,
}: RestoreRecipe): Promise<BareGuest & { readonly loadMs: number }> {
  let loadMs = Number.NaN;
  const guest = await startBare({
    jailed,
    disk: join(template, "disk"),
    magic,
    change: (words) => words.map((word) => word.replace("/proc/self/fd/6", join(template, "memory"))),
    async begin({ folder, link }) {
      await poll("QEMU's sockets", () => existsSync(join(folder, "control.sock")));
      const begun = performance.now();
      await load(join(folder, "qmp.sock"), join(template, "state"));
      loadMs = performance.now() - begun;
      return link.agent({ timeoutMs: PATIENCE_MS });
    },
  });
  return { ...guest, loadMs };
}
