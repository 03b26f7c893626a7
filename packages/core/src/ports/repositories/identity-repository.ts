import type { AccountId } from "@microterm/protocol";
import type { AccountRow } from "./account-repository.ts";

/** Who somebody is at a provider (OpenID Connect Core 1.0, 2: `iss` and `sub`), which two accounts never share. */
export interface IdentityRow {
  readonly id: string;
  readonly issuer: string;
  readonly subject: string;
  readonly account: AccountId;
  /** As the provider called it last, for a person: shown, and never looked for. */
  readonly name: string | null;
  readonly createdAt: string;
  /** The last sign-in; null: none yet. */
  readonly lastUsedAt: string | null;
}

export interface IdentityRepository {
  /** Rejects with `IDENTITY_TAKEN` where an account has that issuer and subject. */
  insert(row: IdentityRow): Promise<void>;
  /** Notes a sign-in and resolves to its account; null: no account has that identity. */
  use(identity: Pick<IdentityRow, "issuer" | "subject" | "name">, now: string): Promise<AccountRow | null>;
  /** Of an account, the oldest first. */
  list(account: AccountId): Promise<readonly IdentityRow[]>;
  remove(account: AccountId, id: string): Promise<boolean>;
}
