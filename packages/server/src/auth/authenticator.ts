import type { IncomingMessage } from "node:http";
import cookies from "@fastify/cookie";
import { type Actor, actorOf, type Credential, type CredentialService, type Storage } from "@microterm/core";
import { type AccountSummary, PlatformError, Scope } from "@microterm/protocol";
import { forwardedOf } from "../fleet/forwarded.ts";
import type { Addresses } from "../http/addresses.ts";
import type { ClientAddresses } from "../listen/client-address.ts";
import type { AccessToken } from "../process/access-token.ts";
import { sessionSecretOf } from "./session-secret.ts";

export const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

/** Who asks, and with what. */
export interface Identity extends Pick<Credential, "hash" | "expiresAt"> {
  readonly actor: Actor;
  readonly account: AccountSummary;
  readonly via: "session" | "token" | "data-folder";
  /** By `performance.now()`: what is revoked after it had been looked at closes what is opened on the strength of it. */
  readonly since: number;
}

export interface Authenticator {
  /**
   * Throws UNAUTHENTICATED, or FORBIDDEN_ORIGIN: browsers add cookies to requests that other sites make, so a write or
   * a WebSocket that rests on a cookie must carry our own Origin.
   */
  authenticate(request: IncomingMessage): Promise<Identity>;
}

export interface AuthenticatorOptions {
  readonly credentials: Pick<CredentialService, "authenticate">;
  readonly accounts: Pick<Storage["accounts"], "get">;
  readonly addresses: Addresses;
  readonly clients: ClientAddresses;
  /** The server's own token. */
  readonly access: AccessToken;
}

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { credentials, accounts, addresses, clients, access } = options;
  /** The data folder's token does what its account may, and is of no row that could be revoked. */
  async function dataFolder(own: Pick<Credential, "hash" | "owner" | "expiresAt">, address: string | null) {
    const account = await accounts.get(own.owner);
    if (account === null) throw new PlatformError("UNAUTHENTICATED", "The account is not there any more.");
    const via = "data-folder" as const;
    return { ...own, account, via, actor: actorOf(account, { origin: { via, credential: null, address } }) };
  }

  async function credential(secret: string, kind: "token" | "session", address: string | null) {
    const found = await credentials.authenticate(secret, address);
    // Each kind in its own place: cookies go to every port of a host, and what a session may not do, a token may.
    if (found === null || found.credential.kind !== kind) return null;
    const { hash, expiresAt, id, scopes } = found.credential;
    const origin = { via: kind, credential: id, address };
    // A token never does all: its account is managed by who signs in.
    const facts = kind === "session" ? { origin } : { origin, scopes: scopes ?? Scope.options };
    return { hash, expiresAt, account: found.account, via: kind, actor: actorOf(found.account, facts) };
  }

  return {
    async authenticate(request) {
      const since = performance.now();
      const bearer = /^Bearer ([\x21-\x7e]+)$/i.exec(request.headers.authorization ?? "")?.[1];
      const sent = cookies.fastifyCookie.parse(request.headers.cookie ?? "");
      const cookie = bearer === undefined ? sent[addresses.cookieName(request)] : undefined;
      const upgrade = request.headers.upgrade !== undefined;
      addresses.checkOrigin(request, {
        required: cookie !== undefined && (upgrade || !SAFE_METHODS.has(request.method ?? "GET")),
      });
      const address = clients.clientAddressOf(request);
      // A peer says so of its own.
      const isOwn = forwardedOf(request)?.isDataFolder === true;
      const own = isOwn ? access.credential : bearer === undefined ? null : access.matches(bearer);
      const secret = bearer ?? (cookie === undefined ? null : sessionSecretOf(cookie, request));
      const found =
        own !== null
          ? await dataFolder(own, address)
          : secret === null
            ? null
            : await credential(secret, bearer === undefined ? "session" : "token", address);
      if (found === null) {
        const reason = secret === null ? "No credential was sent." : "The credential is unknown, spent or expired.";
        throw new PlatformError("UNAUTHENTICATED", reason);
      }
      const { hash, expiresAt, via, actor, account } = found;
      return {
        hash,
        expiresAt,
        via,
        actor,
        since,
        account: { id: account.id, name: account.name, role: account.role },
      };
    },
  };
}
