import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { databasePlace, describePlace, runCommand } from "@microterm/host";
import { z } from "zod";
import { verifyArchive } from "../backup/archive-reader.ts";
import { DATABASE, type Manifest, SERVER } from "../backup/manifest.ts";
import { asRoot } from "../daemon/root-commands.ts";
import { foreignOwner } from "../data/data-owner.ts";
import { askedDatabase, rememberDatabase } from "../data/database.ts";
import { type DataPaths, dataPaths } from "../data/paths.ts";
import { readPlainFile, writePlainFile } from "../data/plain-files.ts";
import { createProgress, oneLine, SetupError } from "../progress.ts";
import { asServer, prepareFolders, type ServerAccount, serverAccount } from "../server/account.ts";
import { serverEnvironmentOf } from "../server/server-process.ts";
import type { ArchiveOptions } from "./options.ts";

/** What a restore that is under way has begun to fill: the database at that place, or null, as long as it has begun with none. */
const Restoring = z.strictObject({ database: z.string().nullable() });
const SQLITE = "sqlite";
const MOST_BYTES = 4096;

/**
 * `microterm restore FILE`: makes an empty data folder what the backed-up one was, in SQLite, or in DATABASE_URL's PostgreSQL. All of the file is
 * read before anything is changed; one that was killed is begun again by the same command.
 */
export async function restore(options: ArchiveOptions): Promise<number> {
  const paths = dataPaths(options.data);
  const file = resolve(options.file);
  const owner = foreignOwner(paths.data);
  if (owner !== null) throw new SetupError(`${paths.data} belongs to ${owner.name}`, `run it as ${owner.name}`);
  if (!existsSync(file))
    throw new SetupError(`${file} is not there`, "name the file that ./microterm backup has written");
  const url = askedDatabase(process.env);
  const begun = assertUnused(paths);
  const progress = createProgress();
  const checking = progress.step("Checking the backup");
  const manifest = await verifyArchive(file);
  checking.done(`of ${manifest.createdAt}, by version ${manifest.version}`);

  const account = await serverAccount();
  const place = placeOf(url);
  mkdirSync(paths.data, { recursive: true, mode: 0o711 });
  // Before anything else is there: whatever is found from here on, beside this file, is a restore's.
  if (begun === null) remember(paths, null);
  prepareFolders(paths, account);
  const database = { paths, account, url, file };
  const isReplaced = begun !== null && begun === place;
  if (!isReplaced) {
    await importDatabase({ ...database, flags: ["--check"] }).catch((error: unknown) => {
      giveUp(paths);
      throw error;
    });
  }
  remember(paths, place);
  const unpacking = progress.step("Unpacking");
  await unpack(file, { paths, account, manifest });
  unpacking.done();
  const filling = progress.step("Filling the database");
  await importDatabase({ ...database, flags: ["--replace"] });
  rememberDatabase(paths, url);
  filling.done();
  rmSync(paths.restoring);
  const count = `${manifest.environments} environment${manifest.environments === 1 ? "" : "s"}`;
  progress.note(
    `Restored: ${count}. Those that ran, or were paused, are stopped. Next: ./microterm up --data ${paths.data}`,
  );
  return 0;
}

/** Throws where the data folder has anything of microterm in it but a restore that was cut off: the place of the database that it has begun to fill; null: none. */
function assertUnused(paths: DataPaths): string | null {
  if (existsSync(paths.restoring)) {
    const { database } = Restoring.parse(JSON.parse(readPlainFile(paths.restoring, MOST_BYTES)));
    return database;
  }
  const used = [paths.server, paths.host, paths.lastUp, paths.databaseUrl].find((path) => existsSync(path));
  if (used === undefined) return null;
  throw new SetupError(
    `${used} is there: a backup is restored into an empty data folder`,
    "./microterm restore FILE --data NEW",
  );
}

/** Nothing has been filled yet. */
function giveUp(paths: DataPaths): void {
  for (const path of [paths.server, paths.app, paths.restoring]) rmSync(path, { recursive: true, force: true });
  if (readdirSync(paths.data).length === 0) rmdirSync(paths.data);
}

const remember = (paths: DataPaths, database: string | null): void =>
  writePlainFile(paths.restoring, JSON.stringify({ database } satisfies z.infer<typeof Restoring>));

function placeOf(url: string | null): string {
  const place = url === null ? null : databasePlace(url);
  return place === null ? SQLITE : describePlace(place);
}

interface Unpacking {
  readonly paths: DataPaths;
  readonly account: ServerAccount;
  readonly manifest: Manifest;
}

const UNPACK = `tar --extract --to-stdout --file "$1" "$2" | tar --extract --no-same-owner --directory "$3"`;

async function unpack(file: string, { paths, account, manifest }: Unpacking): Promise<void> {
  // Whatever one that was killed has left.
  if (existsSync(paths.host)) await asRoot(["rm", "-rf", "--one-file-system", "--", paths.host]);
  rmSync(paths.server, { recursive: true, force: true });
  mkdirSync(paths.server, { mode: 0o700 });
  await runOrThrow(["sh", "-c", UNPACK, "sh", file, SERVER, paths.server]);
  if (account.drops) await runOrThrow(["chown", "-R", "-h", `${account.uid}:${account.gid}`, "--", paths.server]);
  const ofHost = manifest.members.filter(({ name }) => name !== SERVER && name !== DATABASE);
  if (ofHost.length === 0) return;
  // As the daemon makes it.
  await asRoot(["mkdir", "-m", "0711", "--", paths.host]);
  for (const { name } of ofHost) await asRoot(["sh", "-c", `umask 077; ${UNPACK}`, "sh", file, name, paths.host]);
}

async function runOrThrow(command: readonly string[]): Promise<void> {
  const { code, stderr } = await runCommand(command);
  if (code !== 0)
    throw new SetupError(`the backup could not be unpacked: ${oneLine(stderr)}`, "./microterm restore FILE");
}

interface Import {
  readonly paths: DataPaths;
  readonly account: ServerAccount;
  readonly url: string | null;
  readonly file: string;
  readonly flags: readonly string[];
}

async function importDatabase({ paths, account, url, file, flags }: Import): Promise<void> {
  const command = asServer(account, paths, ["import-database", "--folder", paths.server, ...flags]);
  const piped = [
    "sh",
    "-c",
    'tar --extract --to-stdout --file "$1" "$2" | { shift 2; exec "$@"; }',
    "sh",
    file,
    DATABASE,
  ];
  const { code, stderr } = await runCommand([...piped, ...command], { env: serverEnvironmentOf(url) });
  if (code === 0) return;
  const hint = url === null ? "./microterm restore FILE" : "name an empty database by DATABASE_URL, and run it again";
  throw new SetupError(`the database could not be filled: ${oneLine(stderr)}`, hint);
}
