import { once } from "node:events";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { databasePlace } from "@microterm/host";
import { PlatformError } from "@microterm/protocol";
import {
  assertEmptyDatabase,
  type DatabaseLocation,
  exportDatabase,
  importDatabase,
  locateDatabase,
} from "./compose.ts";

/** Exit codes: 0 done; 3 it cannot be done, and stderr says why, in a line. */
const REFUSED = 3;

/** `export-database --folder DIR`: all of the database on stdout, for the set-up verb `backup`. DIR is the server's own folder. */
export const exportCommand = (args: readonly string[]): Promise<void> =>
  explained(async () => {
    await exportDatabase(readLocation(args).location, async (line) => {
      if (!process.stdout.write(`${line}\n`)) await once(process.stdout, "drain");
    });
  });

/**
 * `import-database --folder DIR`: stdin into the database, for the set-up verb `restore`. `--check` only says whether it has rows already,
 * and `--replace` begins again what was killed.
 */
export const importCommand = (args: readonly string[]): Promise<void> =>
  explained(async () => {
    const { location, replace, check } = readLocation(args);
    if (check) return assertEmptyDatabase(location);
    await importDatabase(location, createInterface({ input: process.stdin }), { replaces: replace });
  });

function readLocation(args: readonly string[]): {
  readonly location: DatabaseLocation;
  readonly replace: boolean;
  readonly check: boolean;
} {
  const { values } = parseArgs({
    args: [...args],
    options: { folder: { type: "string" }, replace: { type: "boolean" }, check: { type: "boolean" } },
  });
  const url = process.env.DATABASE_URL;
  if (url !== undefined && databasePlace(url) === null) {
    throw new PlatformError("BAD_REQUEST", "DATABASE_URL is not the URL of a PostgreSQL");
  }
  if (values.folder === undefined) throw new PlatformError("BAD_REQUEST", "--folder is missing");
  return {
    location: locateDatabase(url, values.folder),
    replace: values.replace === true,
    check: values.check === true,
  };
}

async function explained(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = REFUSED;
  }
}
