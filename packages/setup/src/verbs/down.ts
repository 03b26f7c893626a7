import { existsSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { defaultDataFolder, runCommand } from "@microterm/host";
import { connect, endMachines, removeNetworks, stopDaemon } from "../daemon/daemon.ts";
import { asRoot } from "../daemon/root-commands.ts";
import { endSupervisor, findSupervisors } from "../daemon/supervisor.ts";
import { type FolderOwner, foreignOwner, runAsOwner } from "../data/data-owner.ts";
import { type DataPaths, dataPaths, SERVICE_USER } from "../data/paths.ts";
import { removeData } from "../data/remove-data.ts";
import { createProgress, oneLine, type Progress, SetupError } from "../progress.ts";
import { serverAccount } from "../server/account.ts";
import {
  hadMachines,
  lastArguments,
  removeEnvironments,
  ServerUnusable,
  stopEnvironments,
  withServer,
} from "../server/environments.ts";
import { isOfFleet } from "../server/fleet-options.ts";
import { stopServer } from "../server/server-process.ts";
import type { DownOptions } from "./options.ts";

/**
 * `microterm down`: stops server, machines and daemon and keeps the disks; with `--destroy` removes all of it. A fleet's server leaves
 * its environments to the others.
 */
export async function down(options: DownOptions): Promise<number> {
  const progress = createProgress();
  const paths = dataPaths(options.data);
  if (!existsSync(paths.data)) {
    progress.note(`There is nothing in ${paths.data}.`);
    return 0;
  }
  const owner = foreignOwner(paths.data);
  if (owner !== null) return downFor(owner, paths, options, progress);
  if (options.destroy && !options.yes && !(await confirmed(paths))) return 1;

  // sudo may have to ask: before anything is half done, and only where something is root's.
  if (!options.rootFollows && (await isForRoot(paths, options))) await asRoot(["true"]);
  const isDone = await endEnvironments(paths, options, progress);
  await stopServer(paths);
  await endMachines(paths, options.destroy ? "with their disks" : isDone ? "unclaimed" : "all");
  await removeNetworks(paths);
  if (!options.rootFollows && (await stopDaemon(paths))) progress.note(STOPPED);
  if (!options.destroy) return 0;
  await removeData(paths, options.rootFollows ? "server's" : "all");
  if (process.getuid?.() === 0 && paths.data === defaultDataFolder({})) await runCommand(["userdel", SERVICE_USER]);
  if (!options.rootFollows) progress.note(`  ✓ ${paths.data} removed`);
  return 0;
}

/**
 * Has the server end its environments, each as it wants to be ended. False where no server can, whatever its database is like: the
 * daemon then ends the machines.
 */
async function endEnvironments(paths: DataPaths, options: DownOptions, progress: Progress): Promise<boolean> {
  if (isOfFleet(lastArguments(paths))) {
    progress.note("Environments live on, with the fleet's other servers.");
    return true;
  }
  const step = progress.step(options.destroy ? "Removing all environments" : "Stopping all environments");
  try {
    const action = options.destroy ? removeEnvironments : stopEnvironments;
    step.done((await withServer(paths, await serverAccount(), progress, action)) ?? "none were ever made");
    return true;
  } catch (error) {
    const isHelpless = options.destroy || (error instanceof ServerUnusable && hadMachines(paths));
    if (!isHelpless) throw error;
    step.warn(oneLine(error instanceof Error ? error.message : String(error)));
    progress.note(`  Machines are ended without the server${options.destroy ? "" : ", as a power cut would"}.`);
    return false;
  }
}

const STOPPED = "  ✓ microterm-host stopped";

/**
 * Root ends what is another user's: that user's part with that user's rights, then what only root can do, which is to end
 * root's own processes for this folder and to remove root's own files in it.
 */
async function downFor(
  owner: FolderOwner,
  paths: DataPaths,
  options: DownOptions,
  progress: Progress,
): Promise<number> {
  progress.note(`${paths.data} belongs to ${owner.name}, and is worked on with that user's rights.`);
  const flags = [...(options.destroy ? ["--destroy"] : []), ...(options.yes ? ["--yes"] : []), "--root-follows"];
  const code = await runAsOwner(owner, "down", ["--data", paths.data, ...flags]);
  if (code !== 0) return code;
  for (const pid of findSupervisors(paths.data)) {
    await endSupervisor(pid, paths.data);
    progress.note(STOPPED);
  }
  if (!options.destroy) return 0;
  await removeData(paths, "root's", owner.uid);
  progress.note(`  ✓ ${paths.data} removed`);
  return 0;
}

async function isForRoot(paths: DataPaths, options: DownOptions): Promise<boolean> {
  if (hadMachines(paths) || (options.destroy && existsSync(paths.host))) return true;
  const daemon = await connect(paths);
  daemon?.close();
  return daemon !== null;
}

async function confirmed(paths: DataPaths): Promise<boolean> {
  const all = isOfFleet(lastArguments(paths))
    ? "this server's log, recordings and screens"
    : "every environment and disk";
  if (!process.stdin.isTTY) {
    throw new SetupError(
      `down --destroy removes ${all} in ${paths.data}, and there is no TTY to ask on`,
      "./microterm down --destroy --yes",
    );
  }
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await prompt.question(`Remove ${all} in ${paths.data}? Type 'yes': `);
  prompt.close();
  if (answer.trim() === "yes") return true;
  process.stderr.write("Nothing was removed.\n");
  return false;
}
