import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { runInteractive, spawnForeground, VERSION } from "@microterm/host";
import { ArchiveWriter } from "../backup/archive-writer.ts";
import { copyDisk } from "../backup/disks.ts";
import { DATABASE, diskMember, imageMember, SERVER } from "../backup/manifest.ts";
import { resumeLeft } from "../backup/paused.ts";
import { type BackedUp, environmentsIn } from "../backup/rows.ts";
import { NOT_BACKED_UP_PATHS } from "../backup/server-folder.ts";
import { asRoot } from "../daemon/root-commands.ts";
import { foreignOwner } from "../data/data-owner.ts";
import { rememberedDatabase } from "../data/database.ts";
import { type DataPaths, dataPaths } from "../data/paths.ts";
import { createProgress, type Progress, SetupError } from "../progress.ts";
import { asServer } from "../server/account.ts";
import { createApi } from "../server/environments.ts";
import { runningServer, serverEnvironmentOf } from "../server/server-process.ts";
import type { ArchiveOptions } from "./options.ts";

/**
 * `microterm backup FILE`: database, recordings, kept screens, keys, images and disks, as one file that is there once it is whole. A
 * server may run; an environment that does is paused while its disk is copied. The memory of paused ones is not in it.
 */
export async function backup(options: ArchiveOptions): Promise<number> {
  const paths = dataPaths(options.data);
  const file = resolve(options.file);
  const owner = foreignOwner(paths.data);
  if (owner !== null) {
    throw new SetupError(
      `${paths.data} belongs to ${owner.name}, and root writes nothing for another user`,
      `run it as ${owner.name}`,
    );
  }
  if (!existsSync(paths.server))
    throw new SetupError(`there is nothing in ${paths.data}`, "./microterm backup FILE --data DIR");
  if (existsSync(paths.restoring))
    throw new SetupError(`a restore into ${paths.data} was cut off`, "./microterm restore FILE");
  if (existsSync(file)) throw new SetupError(`${file} is there already`, "choose another name, or remove it");
  const progress = createProgress();
  const archive = new ArchiveWriter(file);
  try {
    const environments = await write(archive, paths, progress);
    archive.finish({ version: VERSION, createdAt: new Date().toISOString(), environments });
  } catch (error) {
    archive.discard();
    throw error;
  }
  process.stdout.write(`${file}\n`);
  return 0;
}

async function write(archive: ArchiveWriter, paths: DataPaths, progress: Progress): Promise<number> {
  const reading = progress.step("Reading the database");
  await archive.add(DATABASE, (fd) => exportDatabase(paths, fd));
  const { path, start, end } = archive.partOf(DATABASE);
  const environments = await environmentsIn(path, start, end);
  reading.done(`${environments.length} environments`);
  const copying = progress.step("Copying recordings, screens and keys");
  await archive.add(SERVER, (fd) => copyServerFolder(paths, fd));
  copying.done();
  if (existsSync(paths.host)) await copyDisks(archive, { paths, environments, progress });
  return environments.length;
}

async function exportDatabase(paths: DataPaths, stdout: number): Promise<void> {
  const { uid, gid } = statSync(paths.server);
  const account = { uid, gid, drops: process.getuid?.() === 0 };
  const command = asServer(account, paths, ["export-database", "--folder", paths.server]);
  const env = serverEnvironmentOf(rememberedDatabase(paths));
  const code = await spawnForeground(command, { stdout, stderr: 2, env }).ended;
  if (code !== 0) throw new SetupError("the database could not be read", "./microterm doctor");
}

/** Names as a restore takes them, and nothing but files and folders: others than we may write there. */
const SERVER_FOLDER = `
  cd "$1" && find . -regextype posix-extended -mindepth 1 \\
    \\( -name '[!A-Za-z0-9_@]*' -o -name '*[!A-Za-z0-9_.@:+-]*' -o -regex "$2" \\) -prune \\
    -o \\( -type f -o -type d \\) -printf '%P\\0' |
  tar --create --format=pax --numeric-owner --owner=0 --group=0 --null --no-recursion --files-from=-
`;
/** tar(1): a file has changed while it was read, as a recording does. */
const CHANGED = 1;

async function copyServerFolder(paths: DataPaths, stdout: number): Promise<void> {
  const code = await runInteractive(["sh", "-c", SERVER_FOLDER, "sh", paths.server, NOT_BACKED_UP_PATHS], {
    stdout,
    stderr: 2,
  });
  if (code !== 0 && code !== CHANGED) throw new SetupError(`${paths.server} could not be read`, "./microterm doctor");
}

interface Disks {
  readonly paths: DataPaths;
  readonly environments: readonly BackedUp[];
  readonly progress: Progress;
}

async function copyDisks(archive: ArchiveWriter, { paths, environments, progress }: Disks): Promise<void> {
  // sudo may have to ask, before the first line of progress.
  await asRoot(["true"]);
  const images = new Set(environments.flatMap(({ image }) => image ?? []));
  for (const key of images) {
    const step = progress.step(`Copying the image ${key.slice(0, 12)}`);
    const tar = ["tar", "--create", "--format=pax", "--sparse", "--numeric-owner", "-C", paths.host, `images/${key}`];
    const isThere = await archive.add(imageMember(key), (stdout) =>
      asRoot(
        ["sh", "-c", 'cd "$1" && [ -d "$2" ] || exit 0; shift 2; exec "$@"', "sh", paths.host, `images/${key}`, ...tar],
        {
          ...{ stdout, stderr: 2 },
        },
      ),
    );
    if (isThere) step.done();
    else step.warn("it is not here");
  }
  const running = await runningServer(paths);
  const api = running === null ? null : createApi(running);
  if (api !== null) await resumeLeft(paths, api, progress);
  for (const environment of environments) {
    const step = progress.step(`Copying the disk of ${environment.name}`);
    const isThere = await archive.add(diskMember(environment.disk_id), (stdout) =>
      copyDisk({
        ...{ paths, environment, api, stdout },
        paused: () => step.update("paused meanwhile"),
        notResumed: (why) => progress.note(`'${environment.name}' could not be resumed after its copy: ${why}`),
      }),
    );
    step.done(isThere ? "" : "it has none");
  }
}
