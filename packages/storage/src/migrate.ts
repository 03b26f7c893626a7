import type { Kysely } from "kysely";
import { type Migration, Migrator } from "kysely/migration";
import { up as initial } from "./migrations/0001-initial.ts";
import { up as instant } from "./migrations/0002-instant.ts";
import { up as recipes } from "./migrations/0003-recipes.ts";
import { up as operations } from "./migrations/0004-operations.ts";
import { up as images } from "./migrations/0005-images.ts";
import { up as limits } from "./migrations/0006-limits.ts";
import { up as previews } from "./migrations/0007-previews.ts";
import { up as networks } from "./migrations/0008-networks.ts";
import { up as sharedNetworks } from "./migrations/0009-shared-networks.ts";
import { up as accounts } from "./migrations/0010-accounts.ts";
import { up as audit } from "./migrations/0011-audit.ts";
import { up as quotas } from "./migrations/0012-quotas.ts";
import { up as shares } from "./migrations/0013-shares.ts";
import { up as identities } from "./migrations/0014-identities.ts";
import { up as dataFolderAccount } from "./migrations/0015-data-folder-account.ts";
import { up as adminActs } from "./migrations/0016-admin-acts.ts";
import { up as machinePins } from "./migrations/0017-machine-pins.ts";
import { up as fleet } from "./migrations/0018-fleet.ts";
import { up as kept } from "./migrations/0019-kept.ts";

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
  "0010-accounts": { up: accounts },
  "0011-audit": { up: audit },
  "0012-quotas": { up: quotas },
  "0013-shares": { up: shares },
  "0014-identities": { up: identities },
  "0015-data-folder-account": { up: dataFolderAccount },
  "0016-admin-acts": { up: adminActs },
  "0017-machine-pins": { up: machinePins },
  "0018-fleet": { up: fleet },
  "0019-kept": { up: kept },
};

/** Brings the database to the newest schema, or to that of one migration. Rejects when it was made by a newer version of microterm. */
export async function migrate<Tables>(db: Kysely<Tables>, to?: string): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ ...MIGRATIONS }) } });
  const { error, results } = await (to === undefined ? migrator.migrateToLatest() : migrator.migrateTo(to));
  if (error === undefined) return;
  const failed = results?.find((result) => result.status === "Error")?.migrationName;
  const what = failed === undefined ? "the database cannot be migrated" : `migration ${failed} failed`;
  throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
}

export const NEWEST_MIGRATION = Object.keys(MIGRATIONS).at(-1) as string;

export const isKnownMigration = (name: string): boolean => Object.hasOwn(MIGRATIONS, name);
