import { readFileSync } from "node:fs";
import type { CredentialService } from "@microterm/core";
import type { OwnerId } from "@microterm/protocol";
import { writeFileAtomic } from "./atomic-file.ts";

/**
 * Sees to it that `path` holds a bearer token that works, for whoever may read the data folder. A token that works
 * already is kept: a CLI that has read it goes on over a restart.
 */
export async function ensureAccessToken(path: string, credentials: CredentialService, owner: OwnerId): Promise<void> {
  const old = readText(path);
  if (old !== null && (await credentials.authenticate(old)) !== null) return;
  const { secret } = await credentials.createToken(owner);
  writeFileAtomic(path, `${secret}\n`);
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
