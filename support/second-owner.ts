import { createHash } from "node:crypto";
import { join } from "node:path";
import { actorOf, createCredentialService } from "@microterm/core";
import type { OwnerId } from "@microterm/protocol";
import { createSqliteStorage } from "@microterm/storage";
import { systemClock, systemRandomness } from "../packages/server/src/process/system-clock.ts";

/**
 * A bearer token of another owner than the server's own, put into the running server's database: accounts to make
 * owners with do not exist yet, the separation between owners does.
 */
export async function addOwner(data: string, owner: string): Promise<{ readonly token: string }> {
  const storage = await createSqliteStorage({ path: join(data, "server/microterm.db") });
  const credentials = createCredentialService({
    storage,
    clock: systemClock,
    random: systemRandomness,
    sha256: (text) => createHash("sha256").update(text).digest("hex"),
  });
  try {
    await storage.owners.insert(owner as OwnerId, new Date().toISOString());
    return { token: (await credentials.createToken(actorOf({ owner: owner as OwnerId }))).secret };
  } finally {
    await storage.close();
  }
}
