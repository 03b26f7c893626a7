import { readFileSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import { z } from "zod";

const Package = z.object({ version: z.string() });

/** The product's version, from the checkout's package.json. */
export const VERSION = Package.parse(
  JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")),
).version;

/** `--data`, `MICROTERM_DATA`, else the place for this kind of user. */
export function defaultDataFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.MICROTERM_DATA) return resolve(env.MICROTERM_DATA);
  if (userInfo().uid === 0) return "/var/lib/microterm";
  return join(env.XDG_STATE_HOME || join(homedir(), ".local/state"), "microterm");
}
