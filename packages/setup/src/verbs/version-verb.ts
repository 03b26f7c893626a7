import { buildOf, ownBuild, versionOf } from "../build/build-name.ts";
import { dataPaths } from "../data/paths.ts";
import { serverProcess } from "../server/server-process.ts";
import type { ReportOptions } from "./options.ts";

/** `microterm version`: of this checkout and of the server that runs, which may be of another. */
export function version(options: ReportOptions): number {
  const own = ownBuild();
  const server = serverProcess(dataPaths(options.data));
  const running = server === null ? null : { version: versionOf(buildOf(server)), isCurrent: buildOf(server) === own };
  if (options.output === "json") {
    process.stdout.write(`${JSON.stringify({ version: versionOf(own), server: running }, null, 2)}\n`);
    return 0;
  }
  const other = "; './microterm up' replaces it with this one, and environments live on";
  const serverLine = running === null ? "not running" : `${running.version}${running.isCurrent ? "" : other}`;
  process.stdout.write(`microterm ${versionOf(own)}\nserver    ${serverLine}\n`);
  return 0;
}
