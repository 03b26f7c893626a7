import { createHash } from "node:crypto";
import { actorOf, createCredentialService } from "@microterm/core";
import { accountRow, auditLogOf } from "@microterm/core/testing";
import { type OwnerId, Scope } from "@microterm/protocol";
import { systemClock, systemRandomness } from "../packages/server/src/process/system-clock.ts";
import { createQuietLog } from "./quiet-log.ts";
import { openTestStorage } from "./test-database.ts";

/**
 * A bearer token of another owner than the server's own, put into the running server's database.
 */
export async function addOwner(data: string, owner: string): Promise<{ readonly token: string }> {
  const storage = await openTestStorage(data, "server/microterm.db");
  const credentials = createCredentialService({
    storage,
    audit: auditLogOf(storage),
    clock: systemClock,
    random: systemRandomness,
    sha256: (text) => createHash("sha256").update(text).digest("hex"),
    log: createQuietLog(),
  });
  try {
    await storage.accounts.insert(accountRow(owner, new Date().toISOString()));
    const actor = actorOf({ id: owner as OwnerId, role: "member" });
    return await credentials.createToken(actor, { name: "test", scopes: [...Scope.options], expiresInSeconds: null });
  } finally {
    await storage.close();
  }
}
