import { type CreateToken, type IssuedToken, type OwnerId, PlatformError, TOKEN_PREFIX } from "@microterm/protocol";
import { type Actor, actorOf } from "../access/actor.ts";
import { assertAllowed } from "../access/authorize.ts";
import type { Act } from "../audit/audit-log.ts";
import { createAnnouncements } from "../fleet/announcements.ts";
import { describeError } from "../messages/describe-error.ts";
import type { AccountRow, Credential, CredentialKind } from "../ports/repositories/account-repository.ts";
import type { Repositories } from "../ports/repository.ts";
import { assertSignedIn, makeRoom } from "./credential-rules.ts";
import {
  type CredentialKeeper,
  type CredentialService,
  type CredentialServiceOptions,
  type IssuedCredential,
  type IssueFacts,
  type Place,
  type PreparedSession,
  SECRET_LENGTH,
} from "./credential-service.ts";
import { toSession, toToken } from "./credential-views.ts";

const SESSION_LIFETIME_MS = 30 * 24 * 3_600_000;
/** How long an answer can be had again with its Idempotency-Key. */
const IDEMPOTENCY_LIFETIME_MS = 24 * 3_600_000;
/** Longer input cannot be one of our secrets, and is not worth hashing. */
const LONGEST_SECRET = 128;
/** A use is noted so often at most: reading does not write with every request. */
const NOTE_EVERY_MS = 60_000;
/** Of one account. */
const MAX_TOKENS = 100;
const MAX_SESSIONS = 100;
const MAX_KNOWN_BROWSERS = 20;
const KNOWN_BROWSER_LIFETIME_MS = 365 * 24 * 3_600_000;

type Admitted = Pick<Credential, "expiresAt"> & Pick<AccountRow, "role">;

export function createCredentialService(options: CredentialServiceOptions): CredentialService & CredentialKeeper {
  const { storage, audit, clock, random, sha256, log } = options;
  const { credentials } = storage;
  const revocations = createAnnouncements(storage.fleet, "revoked");
  /** By their hashes, what was let in here: what is open rests on them. What opens a server by itself is of no row, and is not among them. */
  const admitted = new Map<string, Admitted>();
  revocations.subscribe((hash) => admitted.delete(hash));
  const now = () => new Date(clock.now()).toISOString();

  function prepare(kind: CredentialKind, owner: OwnerId, facts: IssueFacts): IssuedCredential {
    const { lifetimeMs, name = null, scopes = null, device = null, address = null } = facts;
    const secret = (kind === "token" ? TOKEN_PREFIX : "") + random.id(SECRET_LENGTH);
    const credential: Credential = {
      ...{ hash: sha256(secret), id: random.id(12), kind, owner, name, scopes, device, address },
      lastUsedAt: null,
      createdAt: now(),
      expiresAt: lifetimeMs === null ? null : new Date(clock.now() + lifetimeMs).toISOString(),
    };
    return { secret, credential };
  }

  async function issue(
    kind: CredentialKind,
    owner: OwnerId,
    facts: IssueFacts,
    repositories: Pick<Repositories, "credentials"> = storage,
  ): Promise<IssuedCredential> {
    const issued = prepare(kind, owner, facts);
    await repositories.credentials.insert(issued.credential);
    return issued;
  }

  /** Always another one: what a browser had before is not taken over. */
  function prepareSession(account: Pick<AccountRow, "id" | "role">, { device, address }: Place): PreparedSession {
    const issued = prepare("session", account.id, { lifetimeMs: SESSION_LIFETIME_MS, device, address });
    const origin = { via: "session", credential: issued.credential.id, address } as const;
    return { ...issued, actor: actorOf(account, { origin }) };
  }

  const openSession: CredentialKeeper["openSession"] = async (prepared, account, { way, remembersBrowser }) => {
    const { secret, credential, actor } = prepared;
    const knownBrowser = remembersBrowser
      ? prepare("known-browser", account.id, { lifetimeMs: KNOWN_BROWSER_LIFETIME_MS })
      : null;
    const ended = await storage.transaction(async (to) => {
      const current = await to.accounts.lock(account.id);
      if (current === null || current.disabledAt !== null || current.passwordHash !== account.passwordHash) {
        throw new PlatformError("SIGN_IN_FAILED", "the account was changed meanwhile: sign in again");
      }
      const gone = await makeRoom(to.credentials, {
        owner: account.id,
        kind: "session",
        most: MAX_SESSIONS,
        now: now(),
      });
      await to.credentials.insert(credential);
      if (knownBrowser === null) return gone;
      await makeRoom(to.credentials, {
        owner: account.id,
        kind: "known-browser",
        most: MAX_KNOWN_BROWSERS,
        now: now(),
      });
      await to.credentials.insert(knownBrowser.credential);
      return gone;
    });
    close(ended);
    // Before the secret leaves the server: of a session without its entry, after a kill, no one has the secret.
    await audit.note(actor, { action: "sign-in", detail: { way } });
    return { secret, credential, account, knownBrowser };
  };

  function close(hashes: readonly string[]): void {
    for (const hash of hashes) revocations.announce(hash);
  }

  async function noteUse(credential: Credential, address: string | null): Promise<void> {
    if (credential.lastUsedAt !== null && clock.now() - Date.parse(credential.lastUsedAt) < NOTE_EVERY_MS) return;
    // A person who may come in is let in, also where the host has no space for the note.
    await credentials
      .noteUse(credential, { at: now(), address })
      .catch((error: unknown) => log.warn("a credential's use is not noted", { error: describeError(error) }));
  }

  async function createToken(actor: Actor, { name, scopes, expiresInSeconds }: CreateToken): Promise<IssuedToken> {
    assertAllowed(actor, "account.manage", actor);
    const lifetimeMs = expiresInSeconds === null ? null : expiresInSeconds * 1000;
    const asked = { name, scopes: [...new Set(scopes)] };
    const { secret, credential } = prepare("token", actor.owner, { lifetimeMs, ...asked });
    const { id, expiresAt } = credential;
    const detail = { ...asked, expiresAt };
    await audit.change(actor, { action: "token.created", target: id, detail }, async (to) => {
      // Until it has ended no other one of this account counts them.
      await to.accounts.lock(actor.owner);
      await assertSignedIn(actor, to.credentials, now());
      if ((await to.credentials.list(actor.owner, "token", now())).length >= MAX_TOKENS) {
        throw new PlatformError("TOO_MANY", `an account has ${MAX_TOKENS} tokens at most: remove one first`);
      }
      await to.credentials.insert(credential);
    });
    return { ...toToken(credential), token: secret };
  }

  async function end(actor: Actor, kind: "session" | "token", id: string): Promise<void> {
    assertAllowed(actor, "account.manage", actor);
    const hash = await audit.change(actor, revoked(kind, id), (to) => to.credentials.removeById(actor.owner, kind, id));
    if (hash === null) throw new PlatformError("NOT_FOUND", `this account has no ${kind} ${id}`);
    close([hash]);
  }

  async function endOthers(actor: Actor, current: string): Promise<void> {
    assertAllowed(actor, "account.manage", actor);
    const hashes = await audit.change(actor, { action: "session.revoked" }, async (to) => {
      const removed = await to.credentials.removeAll(actor.owner, ["session", "link", "oidc"], current);
      return removed.length === 0 ? null : removed;
    });
    close(hashes ?? []);
  }

  return {
    issue,
    prepareSession,
    openSession,
    close,
    closeAll: async (owner) => close(await credentials.hashesOf(owner)),

    createToken: (actor, wish) =>
      audit.attempt(actor, { action: "token.created", detail: { name: wish.name, scopes: wish.scopes } }, () =>
        createToken(actor, wish),
      ),

    async exchange(linkSecret, place) {
      const spent = linkSecret.length > LONGEST_SECRET ? null : await credentials.spend(sha256(linkSecret), now());
      if (spent === null) {
        throw new PlatformError("SIGN_IN_LINK_INVALID", "this sign-in link has been used, has expired, or never was");
      }
      const way = spent.credential.kind === "oidc" ? "oidc" : "link";
      return openSession(prepareSession(spent.account, place), spent.account, { way, remembersBrowser: false });
    },

    async authenticate(secret, address) {
      if (secret.length === 0 || secret.length > LONGEST_SECRET) return null;
      const found = await credentials.findWithAccount(sha256(secret), now());
      if (found === null || found.account.disabledAt !== null) return null;
      if (found.credential.kind !== "session" && found.credential.kind !== "token") return null;
      const { hash, expiresAt } = found.credential;
      // As what was opened first knows it.
      if (!admitted.has(hash)) admitted.set(hash, { expiresAt, role: found.account.role });
      await noteUse(found.credential, address);
      return found;
    },

    async sessions(actor, current) {
      assertAllowed(actor, "account.manage", actor);
      return (await credentials.list(actor.owner, "session", now())).map((one) => toSession(one, current));
    },

    async tokens(actor) {
      assertAllowed(actor, "account.manage", actor);
      return (await credentials.list(actor.owner, "token", now())).map(toToken);
    },

    end: (actor, kind, id) => audit.attempt(actor, revoked(kind, id), () => end(actor, kind, id)),

    endOthers: (actor, current) => audit.attempt(actor, { action: "session.revoked" }, () => endOthers(actor, current)),

    async signOut(actor, current) {
      if (await audit.change(actor, { action: "sign-out" }, (to) => to.credentials.remove(current))) close([current]);
    },

    async revoke(credential) {
      const hash = "hash" in credential ? credential.hash : sha256(credential.secret);
      const removed = await credentials.remove(hash);
      if (removed) close([hash]);
      return removed;
    },

    subscribe: (listener) => revocations.subscribe(listener),

    async recheck() {
      for (const [hash, { role }] of [...admitted]) {
        const account = (await credentials.findWithAccount(hash, now()))?.account;
        if (account === undefined || account.disabledAt !== null || account.role !== role) close([hash]);
      }
    },

    async sweep() {
      for (const [hash, { expiresAt }] of admitted) {
        if (expiresAt !== null && expiresAt <= now()) admitted.delete(hash);
      }
      const expired = (await credentials.removeExpired(now())) + (await storage.invitations.removeExpired(now()));
      const before = new Date(clock.now() - IDEMPOTENCY_LIFETIME_MS).toISOString();
      return expired + (await storage.idempotency.removeBefore(before));
    },
  };
}

const revoked = (kind: "session" | "token", id: string): Act =>
  kind === "session" ? { action: "session.revoked", target: id } : { action: "token.revoked", target: id };
