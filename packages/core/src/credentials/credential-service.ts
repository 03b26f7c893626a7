import type { Actor } from "../access/actor.ts";
import type { Clock, Randomness } from "../ports/clock.ts";
import type { Credential, Storage } from "../ports/repository.ts";

/** Characters of a secret, of a-z0-9: 248 bits. */
export const SECRET_LENGTH = 48;

/**
 * Sign-in links, sessions and tokens. Each is of the owner whose actor made it. A secret leaves the service once, when it
 * is made; only its hash is kept.
 */
export interface CredentialService {
  /** A sign-in link's secret: works once, for 10 minutes. */
  createLink(actor: Actor): Promise<IssuedCredential>;
  /** Spends a link for a session of 30 days. Rejects with `SIGN_IN_LINK_INVALID`. */
  exchange(linkSecret: string): Promise<IssuedCredential>;
  /** A bearer token without an end, unless `lifetimeMs` says so. */
  createToken(actor: Actor, options?: { readonly lifetimeMs?: number }): Promise<IssuedCredential>;
  /** Whom a session's or token's secret stands for; null for anything else, a link's among it. */
  authenticate(secret: string): Promise<Credential | null>;
  /** By secret, or by the hash in a {@link Credential}. True when there was one. Subscribers close its sockets. */
  revoke(credential: { readonly secret: string } | { readonly hash: string }): Promise<boolean>;
  /** Called with the hash of every credential that is revoked. Returns what ends it. */
  subscribe(listener: (hash: string) => void): () => void;
  /** Deletes what has expired: credentials, and answers kept for an Idempotency-Key. */
  sweep(): Promise<number>;
}

export interface IssuedCredential {
  /** {@link SECRET_LENGTH} characters. */
  readonly secret: string;
  readonly credential: Credential;
}

export interface CredentialServiceOptions {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly random: Randomness;
  /** SHA-256 of the UTF-8 of `text`, in lower-case hexadecimal. A secret has too many bits to need a slow hash. */
  readonly sha256: (text: string) => string;
}
