import type { AccountId, OwnerId, Role, Scope } from "@microterm/protocol";

/** One account as stored. What belongs to somebody refers to an account that is here. */
export interface AccountRow {
  readonly id: AccountId;
  /** Nobody else has it. */
  readonly name: string;
  readonly role: Role;
  /** Null: it signs in by other ways. */
  readonly passwordHash: string | null;
  readonly disabledAt: string | null;
  /** When its running environments are stopped, as it is disabled; null: not, or they were. */
  readonly stopsAt: string | null;
  readonly lastSeenAt: string | null;
  readonly createdAt: string;
}

export interface AccountPatch {
  readonly role?: Role;
  readonly disabledAt?: string | null;
  readonly stopsAt?: string | null;
}

/** What is not said stays as it is. The data folder's account stays an admin, so that there is one at any time. */
export interface AccountRepository {
  /** `candidate` becomes it, as an admin named `admin`, when there is none yet. */
  ensureDataFolderAccount(candidate: AccountId, now: string): Promise<AccountRow>;
  /** Rejects with `NAME_TAKEN`, also where the name is the id of another one, so that a reference never means two. */
  insert(row: AccountRow): Promise<void>;
  get(id: AccountId): Promise<AccountRow | null>;
  /** By name, or by id. */
  find(reference: string): Promise<AccountRow | null>;
  /** By name, each with how many environments it has, and whether it has an identity. */
  list(): Promise<readonly AccountEntry[]>;
  /** Whether it is the data folder's. */
  isDataFolder(id: AccountId): Promise<boolean>;
  /** Rejects with `LAST_ADMIN` where the data folder's account would be an admin no more. Null: there is none of that id. */
  change(id: AccountId, patch: AccountPatch): Promise<AccountRow | null>;
  /** Has every other transaction that locks or changes the account wait until the transaction has ended. Resolves with it as it is then; null: it is gone. */
  lock(id: AccountId): Promise<AccountRow | null>;
  /** Has `to` take the place of the hash `from`; null: of none. False: another one is there by now. */
  setPassword(id: AccountId, from: string | null, to: string): Promise<boolean>;
  /**
   * Takes an unexpired reset out of use and sets the password, of an account that is not disabled; its sessions, links, resets and
   * known browsers are removed. Null: there is no such reset.
   */
  acceptReset(resetHash: string, passwordHash: string, now: string): Promise<AcceptedReset | null>;
  /**
   * With its credentials, identities, invitations, networks and receipts. Rejects with `ACCOUNT_IN_USE` where it has environments, `LAST_ADMIN`
   * for the data folder's. False: it is gone already.
   */
  remove(id: AccountId): Promise<boolean>;
  /** Whose environments are to be stopped, and when. */
  listStopping(): Promise<readonly { readonly id: AccountId; readonly stopsAt: string }[]>;
  /** Its environments are stopped, as they were to be at that time; one that was disabled anew meanwhile has another. */
  hasStopped(id: AccountId, stopsAt: string): Promise<void>;
  /** Whether an admin that is not disabled has a password. */
  hasPasswordAdmin(): Promise<boolean>;
}

export interface AccountEntry extends AccountRow {
  readonly environments: number;
  /** Whether it signs in at a provider. */
  readonly hasIdentity: boolean;
  readonly isDataFolder: boolean;
}

export interface AcceptedReset {
  readonly account: AccountRow;
  /** Hashes of the credentials that are gone with it. */
  readonly removed: readonly string[];
}

/** A link by which accounts are made, as stored. Only the hash of its code is kept. */
export interface InvitationRow {
  readonly hash: string;
  readonly id: string;
  readonly role: Role;
  readonly usesLeft: number;
  readonly createdBy: AccountId;
  readonly createdAt: string;
  readonly expiresAt: string;
}

/** Those that have expired, have no uses left, or whose maker is no enabled admin any more, are not there. */
export interface InvitationRepository {
  /** Rejects with `TOO_MANY` past `most` of them. */
  insert(row: InvitationRow, most: number, now: string): Promise<void>;
  find(hash: string, now: string): Promise<InvitationRow | null>;
  /** The oldest first, each with the name of who made it. */
  list(now: string): Promise<readonly (InvitationRow & { readonly createdByName: string | null })[]>;
  remove(id: string): Promise<boolean>;
  /** Takes one use and makes the account, of the invitation's role, in one transaction. Rejects with `NAME_TAKEN`. Null: there is no such invitation. */
  accept(hash: string, account: Omit<AccountRow, "role">, now: string): Promise<AccountRow | null>;
  removeExpired(now: string): Promise<number>;
}

/**
 *   `token`    a program's bearer token
 *   `session`  of a browser
 *   `link`     signs in once
 *   `oidc`     signs in once, who has just been at the provider
 *   `reset`    sets a new password once
 *   `device`   marks a browser in which its account has signed in by password: opens nothing
 */
export type CredentialKind = "token" | "session" | "link" | "oidc" | "reset" | "known-browser";

export interface Credential {
  /** SHA-256 of its secret, which is not kept. */
  readonly hash: string;
  /** By which it is named. */
  readonly id: string;
  readonly kind: CredentialKind;
  readonly owner: OwnerId;
  /** Of a token, as its owner calls it. */
  readonly name: string | null;
  /** What a token was made for. Null of a token: all of them, as those of an earlier version. */
  readonly scopes: readonly Scope[] | null;
  /** Browser and system of a session, for a person. */
  readonly device: string | null;
  /** The IP address that it was used from, as last noted. */
  readonly address: string | null;
  readonly lastUsedAt: string | null;
  readonly createdAt: string;
  readonly expiresAt: string | null;
}

/** What has expired is not there. */
export interface CredentialRepository {
  insert(credential: Credential): Promise<void>;
  find(hash: string, now: string): Promise<Credential | null>;
  /** With the account that it is of, in one look-up. */
  findWithAccount(hash: string, now: string): Promise<{ credential: Credential; account: AccountRow } | null>;
  /** Takes a `link` or an `oidc` out of use, of an account that is not disabled: resolves to it once, to null ever after. */
  spend(hash: string, now: string): Promise<{ credential: Credential; account: AccountRow } | null>;
  /** The newest first. */
  list(owner: OwnerId, kind: CredentialKind, now: string): Promise<readonly Credential[]>;
  /** Of any kind and age. */
  hashesOf(owner: OwnerId): Promise<readonly string[]>;
  /** Notes a use, for its account as well. */
  noteUse(credential: Pick<Credential, "hash" | "owner">, use: { at: string; address: string | null }): Promise<void>;
  remove(hash: string): Promise<boolean>;
  /** Resolves with the hash of what was removed; null: there was none. */
  removeById(owner: OwnerId, kind: CredentialKind, id: string): Promise<string | null>;
  /** All of these kinds but one. Resolves with the hashes of what was removed. */
  removeAll(owner: OwnerId, kinds: readonly CredentialKind[], except?: string): Promise<readonly string[]>;
  removeExpired(now: string): Promise<number>;
}
