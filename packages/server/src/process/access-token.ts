import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Credential, CredentialService, Randomness } from "@microterm/core";
import type { OwnerId } from "@microterm/protocol";
import { writeFileAtomic } from "./atomic-file.ts";

const SECRET_LENGTH = 48;

/**
 * What opens the server for users who may read its data folder: a bearer token that is made at each start, ends with the process, and is in
 * no database, so that nothing in there, and no request, takes it out of use.
 */
export interface AccessToken {
  /** What the token stands for. */
  readonly credential: Pick<Credential, "hash" | "owner" | "expiresAt">;
  /** The same, or null when this is another secret. */
  matches(secret: string): AccessToken["credential"] | null;
}

interface AccessTokenOptions {
  /** Where the secret is written to. */
  readonly path: string;
  readonly owner: OwnerId;
  readonly random: Randomness;
  readonly credentials: CredentialService;
}

export async function createAccessToken(options: AccessTokenOptions): Promise<AccessToken> {
  const { path, owner, random, credentials } = options;
  // Servers of before kept theirs in the database, where it would go on to work.
  const old = readText(path);
  if (old !== null) await credentials.revoke({ secret: old });
  const secret = random.id(SECRET_LENGTH);
  const digest = digestOf(secret);
  writeFileAtomic(path, `${secret}\n`);
  const credential = { hash: digest.toString("hex"), owner, expiresAt: null };
  return { credential, matches: (given) => (timingSafeEqual(digestOf(given), digest) ? credential : null) };
}

const digestOf = (text: string): Buffer => createHash("sha256").update(text).digest();

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
