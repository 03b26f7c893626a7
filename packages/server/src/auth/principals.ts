import type { IncomingMessage } from "node:http";
import cookies from "@fastify/cookie";
import type { Principal } from "@microterm/core";
import { PlatformError } from "@microterm/protocol";
import type { Addresses } from "../http/addresses.ts";
import type { ClientAddresses } from "../listen/client-address.ts";
import { type Authenticator, type Identity, SAFE_METHODS } from "./authenticator.ts";
import { shareSecretOf } from "./session-secret.ts";

/** Who asks for what is shared, and what a connection of theirs ends with. */
export interface PrincipalIdentity extends Pick<Identity, "hash" | "expiresAt" | "since"> {
  readonly principal: Principal;
}

/** Routes and sockets of shared terminals let browsers without an account in, and no other does. */
export interface Principals {
  /** As {@link Authenticator.authenticate}. An account goes before a browser's own secret. */
  identify(request: IncomingMessage): Promise<PrincipalIdentity>;
  /** The same; null where nobody is known by the request. A token that is none is refused all the same. */
  find(request: IncomingMessage): Promise<PrincipalIdentity | null>;
}

export interface PrincipalsOptions {
  readonly authenticator: Authenticator;
  readonly addresses: Addresses;
  readonly clients: ClientAddresses;
  readonly sha256: (text: string) => string;
}

export function createPrincipals({ authenticator, addresses, clients, sha256 }: PrincipalsOptions): Principals {
  function browserOf(request: IncomingMessage): PrincipalIdentity | null {
    const cookie = cookies.fastifyCookie.parse(request.headers.cookie ?? "")[addresses.shareCookieName(request)];
    const secret = cookie === undefined ? null : shareSecretOf(cookie, request);
    if (secret === null) return null;
    const isSafe = request.headers.upgrade === undefined && SAFE_METHODS.has(request.method ?? "GET");
    addresses.checkOrigin(request, { required: !isSafe });
    const hash = sha256(secret);
    const address = clients.clientAddressOf(request);
    return { principal: { kind: "browser", hash, address }, hash, expiresAt: null, since: performance.now() };
  }

  async function identify(request: IncomingMessage): Promise<PrincipalIdentity> {
    try {
      const { actor, hash, expiresAt, since } = await authenticator.authenticate(request);
      return { principal: { kind: "account", actor }, hash, expiresAt, since };
    } catch (error) {
      const isUnknown = error instanceof PlatformError && error.code === "UNAUTHENTICATED";
      const browser = isUnknown ? browserOf(request) : null;
      if (browser === null) throw error;
      return browser;
    }
  }

  return {
    identify,
    async find(request) {
      try {
        return await identify(request);
      } catch (error) {
        const isTokenSent = request.headers.authorization !== undefined;
        if (error instanceof PlatformError && error.code === "UNAUTHENTICATED" && !isTokenSent) return null;
        throw error;
      }
    },
  };
}
