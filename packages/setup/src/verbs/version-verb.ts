import { buildOf, ownBuild, versionOf } from "../build/build-name.ts";
import { dataPaths } from "../data/paths.ts";
import { serverProcess } from "../server/server-process.ts";
import { printReport } from "./report.ts";
import type { ReportOptions } from "./report-options.ts";

/** `microterm version`: of this checkout and of the server that runs, which may be of another. */
export async function version(options: ReportOptions): Promise<number> {
  const own = ownBuild();
  const server = serverProcess(dataPaths(options.data));
  const running = server === null ? null : { version: versionOf(buildOf(server)), isCurrent: buildOf(server) === own };
  const other = "; './microterm up' replaces it with this one, and environments live on";
  const serverLine = running === null ? "not running" : `${running.version}${running.isCurrent ? "" : other}`;
  const text = (): string => `microterm ${versionOf(own)}\nserver    ${serverLine}\n`;
  await printReport({ version: versionOf(own), server: running }, options.output, text);
  return 0;
}
