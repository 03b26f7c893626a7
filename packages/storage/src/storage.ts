import type { Storage } from "@microterm/core";
import type { Kysely } from "kysely";
import { createCredentialRepository } from "./repositories/credentials.ts";
import { createEnvironmentRepository } from "./repositories/environments.ts";
import { createIdempotencyRepository } from "./repositories/idempotency.ts";
import { createNetworkRepository } from "./repositories/networks.ts";
import { createOwnerRepository } from "./repositories/owners.ts";
import { createPreviewGrantRepository } from "./repositories/previews.ts";
import { createTemplateRepository } from "./repositories/templates.ts";
import type { Schema } from "./schema.ts";

/** Core's storage over any database whose dialect Kysely has and which knows `returning` and `on conflict`. */
export function createStorage(db: Kysely<Schema>): Storage {
  return {
    owners: createOwnerRepository(db),
    environments: createEnvironmentRepository(db),
    credentials: createCredentialRepository(db),
    idempotency: createIdempotencyRepository(db),
    templates: createTemplateRepository(db),
    networks: createNetworkRepository(db),
    previews: createPreviewGrantRepository(db),
    close: () => db.destroy(),
  };
}
