import { existsSync, readdirSync, rmSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { runCommand } from "@microterm/host";
import { serverAccount } from "./account.ts";
import { asRoot, connect, endUnclaimed, stopDaemon } from "./daemon.ts";
import { hadMachines, removeEnvironments, stopEnvironments, withServer } from "./environments.ts";
import type { DownOptions } from "./options.ts";
import { type DataPaths, dataPaths, defaultDataFolder, SERVICE_USER } from "./paths.ts";
import { createProgress, SetupError } from "./progress.ts";
import { isServer, serverProcess } from "./server-process.ts";

/** `microterm down`: stops server, machines and daemon and keeps the disks; with `--destroy` removes all of it. */
export async function down(options: DownOptions): Promise<number> {
  const progress = createProgress();
  const paths = dataPaths(options.data);
  if (!existsSync(paths.data)) {
    progress.note(`There is nothing in ${paths.data}.`);
    return 0;
  }
  if (options.destroy && !options.yes && !(await confirmed(paths))) return 1;

  // sudo may have to ask: before anything is half done, and only where something is root's.
  if (await isForRoot(paths, options)) await asRoot(["true"]);
  const action = options.destroy ? removeEnvironments : stopEnvironments;
  const step = progress.step(options.destroy ? "Removing all environments" : "Stopping all environments");
  step.done((await withServer(paths, await serverAccount(), progress, action)) ?? "none were ever made");
  await stopServer(paths);
  await endUnclaimed(paths);
  if (await stopDaemon(paths)) progress.note("  ✓ microterm-host stopped");
  if (options.destroy) {
    await removeData(paths);
    progress.note(`  ✓ ${paths.data} removed`);
  }
  return 0;
}

async function isForRoot(paths: DataPaths, options: DownOptions): Promise<boolean> {
  if (hadMachines(paths) || (options.destroy && existsSync(paths.host))) return true;
  const daemon = await connect(paths);
  daemon?.close();
  return daemon !== null;
}

async function confirmed(paths: DataPaths): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new SetupError(
      `down --destroy removes every environment and disk in ${paths.data}, and there is no TTY to ask on`,
      "./microterm down --destroy --yes",
    );
  }
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await prompt.question(`Remove every environment and disk in ${paths.data}? Type 'yes': `);
  prompt.close();
  if (answer.trim() === "yes") return true;
  process.stderr.write("Nothing was removed.\n");
  return false;
}

async function stopServer(paths: DataPaths): Promise<void> {
  // Also one that is too busy to answer: its folder must not be removed below it.
  const server = serverProcess(paths);
  if (server === null) return;
  process.kill(server.pid, "SIGTERM");
  const deadline = Date.now() + 15_000;
  while (existsSync(`/proc/${server.pid}`)) {
    if (!isServer(server.pid, paths)) return;
    if (Date.now() > deadline) {
      process.kill(server.pid, "SIGKILL");
      throw new SetupError(`the server (pid ${server.pid}) did not stop in 15 s and was killed`, "./microterm status");
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** The daemon's own folder is root's; the rest is whose the server was. */
async function removeData(paths: DataPaths): Promise<void> {
  if (existsSync(paths.host)) await asRoot(["rm", "-rf", "--one-file-system", "--", paths.host, paths.daemonLog]);
  // Only what is ours: `--data` may name a folder with other things in it.
  for (const path of [
    paths.server,
    paths.app,
    paths.accelerator,
    paths.lastUp,
    paths.daemonLog,
    `${paths.data}/server-start.log`,
  ]) {
    rmSync(path, { recursive: true, force: true });
  }
  if (readdirSync(paths.data).length === 0) rmSync(paths.data, { recursive: true, force: true });
  if (process.getuid?.() === 0 && paths.data === defaultDataFolder({})) await runCommand(["userdel", SERVICE_USER]);
}
