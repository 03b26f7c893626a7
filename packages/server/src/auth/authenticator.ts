import type { IncomingMessage } from "node:http";
import cookies from "@fastify/cookie";
import { type Actor, actorOf, type Credential, type CredentialService } from "@microterm/core";
import { PlatformError } from "@microterm/protocol";
import type { Addresses } from "../http/addresses.ts";
import type { AccessToken } from "../process/access-token.ts";
import { sessionSecretOf } from "./session-secret.ts";

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

/** Who asks, and with what. */
export interface Identity extends Pick<Credential, "hash" | "expiresAt"> {
  readonly actor: Actor;
  readonly via: "bearer" | "cookie";
}

export interface Authenticator {
  /**
   * Throws UNAUTHENTICATED, or FORBIDDEN_ORIGIN: browsers add cookies to requests that other sites make, so a write or
   * a WebSocket that rests on a cookie must carry our own Origin.
   */
  authenticate(request: IncomingMessage): Promise<Identity>;
}

export interface AuthenticatorOptions {
  readonly credentials: CredentialService;
  readonly addresses: Addresses;
  /** The server's own token. */
  readonly access: AccessToken;
}

export function createAuthenticator({ credentials, addresses, access }: AuthenticatorOptions): Authenticator {
  return {
    async authenticate(request) {
      const bearer = /^Bearer ([\x21-\x7e]+)$/i.exec(request.headers.authorization ?? "")?.[1];
      const sent = cookies.fastifyCookie.parse(request.headers.cookie ?? "");
      const cookie = bearer === undefined ? sent[addresses.cookieName()] : undefined;
      const upgrade = request.headers.upgrade !== undefined;
      addresses.checkOrigin(request, {
        required: cookie !== undefined && (upgrade || !SAFE_METHODS.has(request.method ?? "GET")),
      });
      const own = bearer === undefined ? null : access.matches(bearer);
      if (own !== null) return identityOf(own, "bearer");
      const secret = bearer ?? (cookie === undefined ? null : sessionSecretOf(cookie, request));
      const credential = secret === null ? null : await credentials.authenticate(secret);
      // Each kind in its own place: cookies go to every port of a host, and what a session may not do, a token may.
      if (credential === null || (credential.kind === "token") !== (bearer !== undefined)) {
        const reason = secret === null ? "No credential was sent." : "The credential is unknown, spent or expired.";
        throw new PlatformError("UNAUTHENTICATED", reason);
      }
      return identityOf(credential, bearer === undefined ? "cookie" : "bearer");
    },
  };
}

function identityOf(credential: Pick<Credential, "hash" | "owner" | "expiresAt">, via: Identity["via"]): Identity {
  const { hash, expiresAt } = credential;
  return { hash, expiresAt, via, actor: actorOf(credential) };
}
