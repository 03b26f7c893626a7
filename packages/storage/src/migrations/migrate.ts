import type { Kysely } from "kysely";
import { type Migration, Migrator } from "kysely/migration";
import type { Schema } from "../schema.ts";
import { up as initial } from "./0001-initial.ts";
import { up as instant } from "./0002-instant.ts";
import { up as recipes } from "./0003-recipes.ts";
import { up as operations } from "./0004-operations.ts";
import { up as images } from "./0005-images.ts";
import { up as limits } from "./0006-limits.ts";
import { up as previews } from "./0007-previews.ts";
import { up as networks } from "./0008-networks.ts";
import { up as sharedNetworks } from "./0009-shared-networks.ts";

/** In order of their numbers. One that has been released is never edited; a change is a new one. */
const MIGRATIONS: Readonly<Record<string, Migration>> = {
  "0001-initial": { up: initial },
  "0002-instant": { up: instant },
  "0003-recipes": { up: recipes },
  "0004-operations": { up: operations },
  "0005-images": { up: images },
  "0006-limits": { up: limits },
  "0007-previews": { up: previews },
  "0008-networks": { up: networks },
  "0009-shared-networks": { up: sharedNetworks },
};

/** Brings the database to the newest schema. Rejects when it was made by a newer version of microterm. */
export async function migrate(db: Kysely<Schema>): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ ...MIGRATIONS }) } });
  const { error, results } = await migrator.migrateToLatest();
  if (error === undefined) return;
  const failed = results?.find((result) => result.status === "Error")?.migrationName;
  const what = failed === undefined ? "the database cannot be migrated" : `migration ${failed} failed`;
  throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
}
