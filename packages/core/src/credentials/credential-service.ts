import type { AccountId, AccountSession, AccountToken, CreateToken, IssuedToken } from "@microterm/protocol";
import type { Actor } from "../access/actor.ts";
import type { AuditLog, SignInWay } from "../audit/audit-log.ts";
import type { Clock, Log, Randomness } from "../ports/clock.ts";
import type { AccountRow, Credential, CredentialKind } from "../ports/repositories/account-repository.ts";
import type { Repositories, Storage } from "../ports/repository.ts";

/** Characters of a secret, of a-z0-9: 248 bits. */
export const SECRET_LENGTH = 48;

/** What a session is told apart by. */
export interface Place {
  /** Browser and system, for a person; null: not known. */
  readonly device: string | null;
  /** The client's IP address; null: not known. */
  readonly address: string | null;
}

/**
 * Sign-in links, sessions, tokens and resets. Each is of one account. A secret leaves the service once, when it is made; only its hash
 * is kept. What is revoked is told to subscribers, which close what it had opened.
 */
export interface CredentialService {
  /** Spends a sign-in link, or what a sign-in at the provider has come to, for a session of 30 days. Rejects with `SIGN_IN_LINK_INVALID`. */
  exchange(linkSecret: string, place: Place): Promise<SignedIn>;
  /** Rejects with `TOO_MANY`, and with `UNAUTHENTICATED` where the session that asks has ended meanwhile. */
  createToken(actor: Actor, wish: CreateToken): Promise<IssuedToken>;
  /** Whom a session's or token's secret stands for; null for anything else, and where its account is disabled. Notes the use, to the minute. */
  authenticate(secret: string, address: string | null): Promise<Acting | null>;

  /** The newest first. `current` is the hash of the credential that asks. */
  sessions(actor: Actor, current: string): Promise<readonly AccountSession[]>;
  tokens(actor: Actor): Promise<readonly AccountToken[]>;
  /** Of the actor's own account, by id. Rejects with `NOT_FOUND`. */
  end(actor: Actor, kind: "session" | "token", id: string): Promise<void>;
  /** All sessions of the actor's own account but the one that asks, with the links that could open others. Resets stay: an admin gave them. */
  endOthers(actor: Actor, current: string): Promise<void>;
  /** Ends the session that asks, by its hash. */
  signOut(actor: Actor, current: string): Promise<void>;
  /** By secret, or by the hash in a {@link Credential}; by the server itself, without an entry in the audit log. True when there was one. */
  revoke(credential: { readonly secret: string } | { readonly hash: string }): Promise<boolean>;
  /** Called with the hash of every credential that is revoked, or whose account is no longer what it was. Returns what ends it. */
  subscribe(listener: (hash: string) => void): () => void;
  /** Has told of those that were let in here and have ended, or whose account is no longer what it was: after notices of a fleet were lost. */
  recheck(): Promise<void>;
  /** Deletes what has expired: credentials, invitations, and answers kept for an Idempotency-Key. */
  sweep(): Promise<number>;
}

/** What the account service does with credentials; requests come to it by {@link CredentialService} alone. */
export interface CredentialKeeper {
  /** Makes one, in the transaction of these repositories where they are given. */
  issue(
    kind: CredentialKind,
    owner: AccountId,
    facts: IssueFacts,
    repositories?: Pick<Repositories, "credentials">,
  ): Promise<IssuedCredential>;
  /** A secret that nobody has yet: it is stored with `openSession`. */
  prepareSession(account: Pick<AccountRow, "id" | "role">, place: Place): PreparedSession;
  /**
   * Where the account is as it was when it was let in: rejects with `SIGN_IN_FAILED` where it is disabled or has another password by now.
   * Past 100 sessions the one that was used least lately ends. The audit log has it by then, or it could not be written.
   */
  openSession(
    prepared: PreparedSession,
    account: AccountRow,
    how: { readonly way: SignInWay; readonly remembersBrowser: boolean },
  ): Promise<SignedIn>;
  /** Has closed what any credential of the account had opened, by those that are there now. */
  closeAll(owner: AccountId): Promise<void>;
  /** Has closed what credentials that are gone had opened. */
  close(hashes: readonly string[]): void;
}

export interface IssueFacts extends Partial<Pick<Credential, "name" | "scopes" | "device" | "address">> {
  /** Null: it does not expire. */
  readonly lifetimeMs: number | null;
}

export interface Acting {
  readonly credential: Credential;
  readonly account: AccountRow;
}

export interface IssuedCredential {
  /** {@link SECRET_LENGTH} characters, behind `mt_` where it is a token. */
  readonly secret: string;
  readonly credential: Credential;
}

/** A session that is not stored yet, and its account as an actor that came by it. */
export interface PreparedSession extends IssuedCredential {
  readonly actor: Actor;
}

export interface SignedIn extends IssuedCredential {
  readonly account: AccountRow;
  /** By which the browser is known from now on; null: nothing new. */
  readonly knownBrowser: IssuedCredential | null;
}

export interface CredentialServiceOptions {
  readonly storage: Storage;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly random: Randomness;
  readonly log: Log;
  /** SHA-256 of the UTF-8 of `text`, in lower-case hexadecimal. A secret has too many bits to need a slow hash. */
  readonly sha256: (text: string) => string;
}
