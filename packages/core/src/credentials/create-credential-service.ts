import { type OwnerId, PlatformError } from "@microterm/protocol";
import { assertAllowed } from "../access/authorize.ts";
import type { Credential } from "../ports/repository.ts";
import {
  type CredentialService,
  type CredentialServiceOptions,
  type IssuedCredential,
  SECRET_LENGTH,
} from "./credential-service.ts";

const LINK_LIFETIME_MS = 10 * 60_000;
const SESSION_LIFETIME_MS = 30 * 24 * 3_600_000;
/** How long an answer can be had again with its Idempotency-Key. */
const IDEMPOTENCY_LIFETIME_MS = 24 * 3_600_000;
/** Longer input cannot be one of our secrets, and is not worth hashing. */
const LONGEST_SECRET = 128;

export function createCredentialService(options: CredentialServiceOptions): CredentialService {
  const { storage, clock, random, sha256 } = options;
  const listeners = new Set<(hash: string) => void>();
  const now = () => new Date(clock.now()).toISOString();

  async function issue(
    kind: Credential["kind"],
    owner: OwnerId,
    lifetimeMs: number | undefined,
  ): Promise<IssuedCredential> {
    const secret = random.id(SECRET_LENGTH);
    const credential: Credential = {
      hash: sha256(secret),
      kind,
      owner,
      createdAt: now(),
      expiresAt: lifetimeMs === undefined ? null : new Date(clock.now() + lifetimeMs).toISOString(),
    };
    await storage.credentials.insert(credential);
    return { secret, credential };
  }

  return {
    async createLink(actor) {
      assertAllowed(actor, "credential.create", actor);
      return issue("link", actor.owner, LINK_LIFETIME_MS);
    },
    async createToken(actor, { lifetimeMs } = {}) {
      assertAllowed(actor, "credential.create", actor);
      return issue("token", actor.owner, lifetimeMs);
    },

    async exchange(linkSecret) {
      const link =
        linkSecret.length > LONGEST_SECRET ? null : await storage.credentials.spend(sha256(linkSecret), now());
      if (link === null) {
        throw new PlatformError("SIGN_IN_LINK_INVALID", "this sign-in link has been used, has expired, or never was");
      }
      return issue("session", link.owner, SESSION_LIFETIME_MS);
    },

    async authenticate(secret) {
      if (secret.length === 0 || secret.length > LONGEST_SECRET) return null;
      const credential = await storage.credentials.find(sha256(secret), now());
      return credential === null || credential.kind === "link" ? null : credential;
    },

    async revoke(credential) {
      const hash = "hash" in credential ? credential.hash : sha256(credential.secret);
      const removed = await storage.credentials.remove(hash);
      if (removed) for (const listener of [...listeners]) listener(hash);
      return removed;
    },

    subscribe(listener) {
      const own = (hash: string) => listener(hash);
      listeners.add(own);
      return () => {
        listeners.delete(own);
      };
    },

    async sweep() {
      const credentials = await storage.credentials.removeExpired(now());
      const before = new Date(clock.now() - IDEMPOTENCY_LIFETIME_MS).toISOString();
      return credentials + (await storage.idempotency.removeBefore(before));
    },
  };
}
