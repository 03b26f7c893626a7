import type { Share, SharedTerminal, ShareGrant } from "@microterm/protocol";
import type { Grant, ShareRow } from "../ports/repositories/share-repository.ts";
import type { Admission } from "./sharing-service.ts";

/** They ask to type, and may not. */
export const isAsking = ({ granted, asked }: Pick<Grant, "granted" | "asked">): boolean =>
  asked === "editor" && granted === "viewer";

/** As the terminal's owner sees it. */
export function toGrant(grant: Grant): ShareGrant {
  return {
    id: grant.id,
    name: grant.accountName ?? grant.name,
    isVerified: grant.accountName !== null,
    role: grant.granted,
    isAsking: isAsking(grant),
    createdAt: grant.createdAt,
  };
}

export function toShare(share: ShareRow, grants: readonly Grant[]): Share {
  const { id, kind, terminal, role, usesLeft, scrollback, createdAt, expiresAt } = share;
  const withoutAccount = share.withoutAccount && share.anonymousEndedAt === null;
  const all = { id, kind, terminal, role, usesLeft, withoutAccount, scrollback, createdAt, expiresAt };
  return { ...all, grants: grants.map(toGrant) };
}

/** As the one who was let in sees it. */
export function toSharedTerminal(admission: Admission): SharedTerminal {
  const { id, kind, ownerName: owner, role, createdAt, expiresAt } = admission;
  return { id, kind, owner, role, isAsking: isAsking(admission), createdAt, expiresAt };
}
