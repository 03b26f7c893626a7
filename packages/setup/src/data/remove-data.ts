import { closeSync, constants, existsSync, fstatSync, openSync, readdirSync, rmdirSync } from "node:fs";
import { basename } from "node:path";
import { runCommand } from "@microterm/host";
import { asRoot } from "../daemon/root-commands.ts";
import { SetupError } from "../progress.ts";
import type { DataPaths } from "./paths.ts";

/** rm(1) takes a tree away by descriptors and follows no link that is put in its way; Node's own rm is not known to. */
const RM = ["rm", "-rf", "--one-file-system", "--"] as const;

/**
 * Removes what `up` has put into a data folder, and the folder once it is empty: `--data` may name one with other things
 * in it. Names are looked up in the folder as it was opened, so that one which is put in its place meanwhile loses nothing.
 */
export async function removeData(paths: DataPaths, whose: "all" | "server's" | "root's", uid?: number): Promise<void> {
  const folder = openSync(paths.data, constants.O_RDONLY | constants.O_DIRECTORY);
  const inside = (path: string) => `/proc/${process.pid}/fd/${folder}/${basename(path)}`;
  try {
    if (uid !== undefined && fstatSync(folder).uid !== uid)
      throw new SetupError(`${paths.data} is not the folder any more that it was`, "./microterm status");
    if (whose !== "server's" && existsSync(inside(paths.host)))
      await asRoot([...RM, inside(paths.host), inside(paths.daemonLog)]);
    if (whose !== "root's") {
      const names = [
        paths.server,
        paths.app,
        paths.accelerator,
        paths.lastUp,
        paths.databaseUrl,
        paths.restoring,
        paths.pausedByBackup,
        paths.daemonLog,
        paths.startLog,
      ];
      const { code, stderr } = await runCommand([...RM, ...names.map(inside)]);
      if (code !== 0)
        throw new SetupError(`${paths.data} could not be removed: ${stderr.trim()}`, "./microterm status");
    }
    if (readdirSync(inside(".")).length > 0) return;
  } finally {
    closeSync(folder);
  }
  // At worst an empty folder that somebody has put here; as its owner, only one of theirs.
  if (uid !== undefined) process.seteuid?.(uid);
  try {
    rmdirSync(paths.data);
  } finally {
    if (uid !== undefined) process.seteuid?.(0);
  }
}
