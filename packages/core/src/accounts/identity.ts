import { type AccountId, PlatformError } from "@microterm/protocol";
import type { Act } from "../audit/audit-log.ts";
import type { IdentityRow } from "../ports/identity-repository.ts";
import type { AccountContext } from "./account-context.ts";
import type { ProvenIdentity, ProviderRules } from "./provider-rules.ts";

/** Throws `NOT_FOUND` where there is none. */
export function providerOf({ provider }: Pick<AccountContext, "provider">): ProviderRules {
  if (provider !== null) return provider;
  throw new PlatformError("NOT_FOUND", "this instance has no provider to sign in at");
}

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
