import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type DatabasePlace, databasePlace, describePlace } from "@microterm/host";
import { SetupError } from "../progress.ts";
import type { DataPaths } from "./paths.ts";
import { readPlainFile, writePlainFile } from "./plain-files.ts";

const MOST_BYTES = 4096;
const EXAMPLE = "DATABASE_URL=postgresql://USER:PASSWORD@HOST:PORT/DATABASE ./microterm up";
const MOVE = "to move: ./microterm backup FILE, then with DATABASE_URL: ./microterm restore FILE --data NEW";

/** The URL of the PostgreSQL that a data folder is used with; null: its SQLite. Only its owner may read the file, for its password. */
export function rememberedDatabase(paths: DataPaths): string | null {
  if (!existsSync(paths.databaseUrl)) return null;
  const url = readPlainFile(paths.databaseUrl, MOST_BYTES).trim();
  if (databasePlace(url) !== null) return url;
  throw new SetupError(`${paths.databaseUrl} has no URL of a PostgreSQL`, EXAMPLE);
}

/**
 * The database that `up` is to use: DATABASE_URL's, or the one that it was given before. Throws where that is another than the data
 * folder's environments are in: a server would not see them, and take what runs of them for leftovers.
 */
export function chooseDatabase(paths: DataPaths, env: NodeJS.ProcessEnv): string | null {
  const known = rememberedDatabase(paths);
  const asked = askedDatabase(env);
  if (asked === null) return known;
  const [place, knownPlace] = [placeOf(asked), known === null ? null : placeOf(known)];
  if (knownPlace !== null && describePlace(place) !== describePlace(knownPlace)) {
    throw new SetupError(
      `${paths.data} is used with the database at ${describePlace(knownPlace)}, and DATABASE_URL names ${describePlace(place)}`,
      `unset DATABASE_URL; ${MOVE}; where it is the same database at another address, remove ${paths.databaseUrl} first`,
    );
  }
  if (known === null && existsSync(join(paths.server, "microterm.db"))) {
    throw new SetupError(
      `${paths.data} has its environments in SQLite, and DATABASE_URL names ${describePlace(place)}`,
      `unset DATABASE_URL; ${MOVE}`,
    );
  }
  return asked;
}

/** Null: none. Throws where it is no URL of a PostgreSQL. */
export function askedDatabase(env: NodeJS.ProcessEnv): string | null {
  const asked = env.DATABASE_URL || null;
  if (asked !== null) placeOf(asked);
  return asked;
}

/** Before a server starts with it, so that no later one starts without. Returns what undoes that. */
export function rememberDatabase(paths: DataPaths, url: string | null): () => void {
  if (url === null) return () => {};
  const before = rememberedDatabase(paths);
  writePlainFile(paths.databaseUrl, `${url}\n`);
  return () => {
    if (before === null) rmSync(paths.databaseUrl, { force: true });
    else writePlainFile(paths.databaseUrl, `${before}\n`);
  };
}

/** For a person. */
export function describeDatabase(paths: DataPaths): string {
  const url = rememberedDatabase(paths);
  return url === null ? "sqlite" : `postgresql, ${describePlace(placeOf(url))}`;
}

/** What a server is told of its database: by its environment, which nobody else can read. */
export const databaseEnvironment = (url: string | null): Readonly<Record<string, string>> =>
  url === null ? {} : { DATABASE_URL: url };

function placeOf(url: string): DatabasePlace {
  const place = databasePlace(url);
  if (place !== null) return place;
  throw new SetupError("DATABASE_URL is not the URL of a PostgreSQL", EXAMPLE);
}
