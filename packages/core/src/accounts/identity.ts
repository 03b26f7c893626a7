import { type AccountId, PlatformError, type Role } from "@microterm/protocol";
import type { Act } from "../audit/audit-log.ts";
import type { IdentityRow } from "../ports/repositories/identity-repository.ts";
import type { AccountContext } from "./account-context.ts";
import { mapsGroups, type ProvenIdentity, type ProviderRules, roleOfGroups } from "./provider-rules.ts";

/** Throws `NOT_FOUND` where there is none. */
export function providerOf({ provider }: Pick<AccountContext, "provider">): ProviderRules {
  if (provider !== null) return provider;
  throw new PlatformError("NOT_FOUND", "this instance has no provider to sign in at");
}

/** The role that the provider's groups give; null where roles are given here alone, and they give none. Throws `PROVIDER_ACCOUNT_REFUSED` for who is in none of them. */
export function roleAt(provider: ProviderRules, { groups }: ProvenIdentity): Role | null {
  const role = roleOfGroups(provider, groups);
  if (role !== null || !mapsGroups(provider)) return role;
  throw refused(provider, "you are in none of the groups that this instance lets in.");
}

export const refused = ({ name }: ProviderRules, why: string): PlatformError =>
  new PlatformError("PROVIDER_ACCOUNT_REFUSED", `${name} knows you, but ${why}`);

/** One that is not stored yet. */
export const newIdentity = (
  { random, now }: Pick<AccountContext, "random" | "now">,
  account: AccountId,
  { issuer, subject, name }: ProvenIdentity,
): IdentityRow => ({
  ...{ id: random.id(12), issuer, subject, account, name },
  ...{ createdAt: now(), lastUsedAt: null },
});

export const linked = (identity: IdentityRow): Act<"identity.linked"> => actOf("identity.linked", identity);
export const unlinked = (identity: IdentityRow): Act<"identity.unlinked"> => actOf("identity.unlinked", identity);

const actOf = <A extends "identity.linked" | "identity.unlinked">(
  action: A,
  { id, account, issuer, subject, name }: IdentityRow,
) => ({ action, target: account, detail: { identity: id, issuer, subject, name } });
