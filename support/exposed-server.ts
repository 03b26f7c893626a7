/** `serve` on a data folder whose admin has a password, which a server needs that is reached from beyond its host. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { OwnerId } from "@microterm/protocol";
import { readConfig } from "../packages/server/src/config.ts";
import { systemRandomness } from "../packages/server/src/process/system-clock.ts";
import { serve } from "../packages/server/src/serve.ts";
import { openTestStorage } from "./test-database.ts";

const config = readConfig(process.argv.slice(3), process.env);
mkdirSync(join(config.data, "server"), { recursive: true, mode: 0o700 });
const storage = await openTestStorage(config.data, "server/microterm.db");
const admin = await storage.accounts.ensureDataFolderAccount(
  OwnerId.parse(systemRandomness.id(12)),
  new Date().toISOString(),
);
await storage.accounts.setPassword(admin.id, admin.passwordHash, "the hash of a password that nobody knows");
await storage.close();
const server = await serve(config);
process.once("SIGTERM", () => void server.stop().then(() => process.exit(0)));
