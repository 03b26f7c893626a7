import { type Fleet, NO_FLEET, type Repositories, type Storage } from "@microterm/core";
import type { Kysely } from "kysely";
import { createAccountRepository } from "./repositories/accounts.ts";
import { createAdminActRepository } from "./repositories/admin-acts.ts";
import { createAuditRepository } from "./repositories/audit.ts";
import { createCredentialRepository } from "./repositories/credentials.ts";
import { createEnvironmentRepository } from "./repositories/environments/environments.ts";
import { createIdempotencyRepository } from "./repositories/idempotency.ts";
import { createIdentityRepository } from "./repositories/identities.ts";
import { createInvitationRepository } from "./repositories/invitations.ts";
import { createAttemptRepository } from "./repositories/kept/attempts.ts";
import { createConsoleRepository } from "./repositories/kept/consoles.ts";
import { createKeptScreenRepository } from "./repositories/kept/kept-screens.ts";
import { createRecordingRepository } from "./repositories/kept/recordings.ts";
import { createMachinePins } from "./repositories/machines/machine-pins.ts";
import { createTemplateRepository } from "./repositories/machines/templates.ts";
import { createNetworkRepository } from "./repositories/networks.ts";
import { createPreviewGrantRepository } from "./repositories/previews.ts";
import { createQuotaRepository } from "./repositories/quotas/quotas.ts";
import { createShareRepository } from "./repositories/shares.ts";
import type { Schema } from "./schema.ts";

/** Core's storage over any database whose dialect Kysely has and which knows `returning` and `on conflict`. */
export function createStorage(db: Kysely<Schema>, fleet: Fleet = NO_FLEET): Storage {
  return {
    ...createRepositories(db, fleet.number),
    fleet,
    transaction: (run) => db.transaction().execute((transaction) => run(createRepositories(transaction, fleet.number))),
    close: () => db.destroy(),
  };
}

function createRepositories(db: Kysely<Schema>, server: number | null): Repositories {
  return {
    accounts: createAccountRepository(db),
    adminActs: createAdminActRepository(db),
    audit: createAuditRepository(db),
    environments: createEnvironmentRepository(db, server),
    credentials: createCredentialRepository(db),
    identities: createIdentityRepository(db),
    invitations: createInvitationRepository(db),
    idempotency: createIdempotencyRepository(db),
    templates: createTemplateRepository(db),
    machinePins: createMachinePins(db),
    networks: createNetworkRepository(db),
    quotas: createQuotaRepository(db),
    previews: createPreviewGrantRepository(db),
    shares: createShareRepository(db),
    recordings: createRecordingRepository(db, server),
    keptScreens: createKeptScreenRepository(db),
    consoles: createConsoleRepository(db),
    attempts: createAttemptRepository(db),
  };
}
