import type {
  AcceptInvitation,
  AcceptReset,
  Account,
  AccountId,
  AccountIdentity,
  ChangePassword,
  CreateAccount,
  CreateInvitation,
  Invitation,
  InvitationTerms,
  IssuedInvitation,
  SignInWays,
  UpdateAccount,
} from "@microterm/protocol";
import type { Actor } from "../access/actor.ts";
import type { AuditLog } from "../audit/audit-log.ts";
import type { CredentialKeeper, IssuedCredential, Place, SignedIn } from "../credentials/credential-service.ts";
import type { TransferOfAll } from "../environments/administration/transfer-all.ts";
import type { Clock, Randomness } from "../ports/clock.ts";
import type { Passwords } from "../ports/passwords.ts";
import type { AccountRow } from "../ports/repositories/account-repository.ts";
import type { Storage } from "../ports/repository.ts";
import type { OpenAttempts } from "./attempts.ts";
import type { ProvenIdentity, ProviderRules } from "./provider-rules.ts";

/** Where somebody signs in from. */
export interface Arrival extends Place {
  /** By which this browser is known since an earlier sign-in; null: it is not. */
  readonly knownBrowser: string | null;
}

/** Who began to link an identity, before going to the provider. */
export interface LinkingSession {
  readonly account: AccountId;
  /** The hash of the session. */
  readonly session: string;
  /** Where they came back from the provider. */
  readonly address: string | null;
}

/** An account that may do less from now on: it was disabled, or is a visitor, which creates and shares nothing. */
export interface AccountLimited {
  readonly account: AccountId;
  readonly to: "disabled" | "visitor";
}

/**
 * People: how they come in, what they are, and how they go. Methods with an actor ask `authorize`; the others are for who is nobody yet.
 *
 * A sign-in by password answers the same, after the same time, whether the account exists, is disabled or has no password. All codes have
 * 248 random bits and are kept as hashes; looking at an invitation uses nothing up. Without local accounts nothing here takes a password:
 * `LOCAL_ACCOUNTS_OFF`. All changes, sign-ins and what fails of them are in the audit log.
 */
export interface AccountService {
  waysIn(): SignInWays;
  /** Rejects with `SIGN_IN_FAILED`, `TOO_MANY`. */
  signIn(given: { readonly name: string; readonly password: string }, arrival: Arrival): Promise<SignedIn>;
  /** Rejects with `SIGN_IN_LINK_INVALID`, `TOO_MANY`. */
  signInByLink(code: string, arrival: Arrival): Promise<SignedIn>;

  /**
   * The account of that identity, made where groups and rules say so, and what opens its session within a minute: {@link signInByLink}
   * spends it. Rejects with `PROVIDER_ACCOUNT_REFUSED`, `NOT_FOUND` where there is no provider.
   */
  signInByProvider(proven: ProvenIdentity): Promise<IssuedCredential & { readonly account: AccountRow }>;
  /** Has an account sign in with that identity as well. False: it did before. Rejects with `IDENTITY_TAKEN`, `PROVIDER_ACCOUNT_REFUSED`, `TOO_MANY`, `UNAUTHENTICATED`. */
  linkIdentity(by: LinkingSession, proven: ProvenIdentity): Promise<boolean>;
  identities(actor: Actor): Promise<readonly AccountIdentity[]>;
  /** Sessions of it go on. Rejects with `NOT_FOUND`, and with `LAST_WAY_IN` where nobody could sign in to the account then. */
  unlinkIdentity(actor: Actor, id: string): Promise<void>;

  /**
   * Of the actor's own account; its other sessions end, and a reset stays. `current` is the hash of the credential that asks. Rejects with
   * `SIGN_IN_FAILED`, also where the password was changed meanwhile, and with `UNAUTHENTICATED` where the session has ended meanwhile.
   */
  changePassword(actor: Actor, change: ChangePassword, current: string): Promise<void>;
  /** A sign-in link, of one's own account or of any: with the data folder's token alone. Rejects with `FORBIDDEN`, `ACCOUNT_NOT_FOUND`. */
  createLink(actor: Actor, account?: string): Promise<IssuedCredential & { readonly account: AccountRow }>;

  invite(actor: Actor, wish: CreateInvitation): Promise<IssuedInvitation>;
  invitations(actor: Actor): Promise<readonly Invitation[]>;
  /** Rejects with `NOT_FOUND`. */
  withdraw(actor: Actor, invitation: string): Promise<void>;
  /** Rejects with `INVITATION_INVALID`, `TOO_MANY`. */
  look(code: string, arrival: Arrival): Promise<InvitationTerms>;
  /** Makes the account and signs it in. Rejects with `INVITATION_INVALID`, `NAME_TAKEN`, `BAD_REQUEST`, `TOO_MANY`. */
  accept(given: AcceptInvitation, arrival: Arrival): Promise<SignedIn>;

  list(actor: Actor): Promise<readonly Account[]>;
  /** Makes an account without a password, with a link as of {@link AccountService.createReset}. Rejects with `NAME_TAKEN`. */
  add(actor: Actor, wish: CreateAccount): Promise<IssuedCredential & { readonly account: AccountRow }>;
  /** By name or id. What it had opened is closed. Rejects with `ACCOUNT_NOT_FOUND`, `LAST_ADMIN`. */
  change(actor: Actor, account: string, change: UpdateAccount): Promise<Account>;
  /**
   * With `transferAll`, what it has goes to another account in the same transaction. Rejects with `ACCOUNT_NOT_FOUND`, `ACCOUNT_IN_USE`,
   * `LAST_ADMIN`, and as `transferAll` does.
   */
  remove(actor: Actor, account: string, transferAll?: (from: AccountId) => Promise<TransferOfAll>): Promise<void>;
  /** A link that sets a new password once, within 24 hours, in the place of an earlier one. Nothing else ends before it is used. */
  createReset(actor: Actor, account: string): Promise<IssuedCredential & { readonly account: AccountRow }>;
  /** Sets the password, ends all sessions and opens one. Rejects with `RESET_INVALID`, `BAD_REQUEST`, `TOO_MANY`. */
  acceptReset(given: AcceptReset, arrival: Arrival): Promise<SignedIn>;

  /** Whether an admin can sign in by password: a server that others reach needs one. */
  hasPasswordAdmin(): Promise<boolean>;

  /** Has `listener` end what such an account may have no longer, before the change is answered: an admin's, or one by the provider's groups. */
  onLimited(listener: (limited: AccountLimited) => Promise<void>): void;
}

export interface AccountServiceOptions {
  readonly storage: Storage;
  readonly audit: AuditLog;
  readonly credentials: CredentialKeeper & { exchange(code: string, place: Place): Promise<SignedIn> };
  readonly passwords: Passwords;
  readonly clock: Clock;
  readonly random: Randomness;
  readonly sha256: (text: string) => string;
  readonly attempts: OpenAttempts;
  /** Whether people may have passwords here. */
  readonly hasLocalAccounts: boolean;
  /** Whom the provider's people are here; null: there is none. */
  readonly provider: ProviderRules | null;
}
