import { type OwnerId, PlatformError } from "@microterm/protocol";
import type { Actor } from "../access/actor.ts";
import type { CredentialKind, CredentialRepository } from "../ports/repositories/account-repository.ts";

/** Throws `UNAUTHENTICATED` where the session that asks has ended since it was let in. Asked in the transaction of what it asks for. */
export async function assertSignedIn(
  { owner, origin }: Actor,
  credentials: Pick<CredentialRepository, "list">,
  now: string,
): Promise<void> {
  if (origin.via !== "session") return;
  const sessions = await credentials.list(owner, "session", now);
  if (sessions.some(({ id }) => id === origin.credential)) return;
  throw new PlatformError("UNAUTHENTICATED", "the session has ended meanwhile: sign in again");
}

/** Removes those that were used least lately, so that with one more there are `most` of a kind. Resolves with their hashes. */
export async function makeRoom(
  credentials: Pick<CredentialRepository, "list" | "remove">,
  of: { readonly owner: OwnerId; readonly kind: CredentialKind; readonly most: number; readonly now: string },
): Promise<readonly string[]> {
  const all = [...(await credentials.list(of.owner, of.kind, of.now))];
  const lastUse = (one: (typeof all)[number]): string => one.lastUsedAt ?? one.createdAt;
  all.sort((one, other) => lastUse(other).localeCompare(lastUse(one)));
  const surplus = all.slice(of.most - 1).map(({ hash }) => hash);
  for (const hash of surplus) await credentials.remove(hash);
  return surplus;
}
