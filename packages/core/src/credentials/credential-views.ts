import type { AccountSession, AccountToken } from "@microterm/protocol";
import type { Credential } from "../ports/repositories/account-repository.ts";

export function toSession(credential: Credential, current: string): AccountSession {
  const { id, device, address, createdAt, lastUsedAt, hash } = credential;
  // Sessions always end.
  const expiresAt = credential.expiresAt ?? createdAt;
  return { id, device, address, createdAt, lastUsedAt, expiresAt, isCurrent: hash === current };
}

export function toToken({ id, name, scopes, createdAt, lastUsedAt, address, expiresAt }: Credential): AccountToken {
  return {
    id,
    name: name ?? "",
    scopes: scopes === null ? null : [...scopes],
    createdAt,
    lastUsedAt,
    address,
    expiresAt,
  };
}
