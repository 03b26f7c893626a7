import type { Arrival, SignedIn } from "@microterm/core";
import type { NewSession } from "@microterm/protocol";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Addresses } from "../http/addresses.ts";
import type { ClientAddresses } from "../listen/client-address.ts";
import { deviceOf } from "./device.ts";
import { cookieAndKey } from "./session-secret.ts";

/** What a sign-in gives to a browser, and what a browser brings to it. */
export interface SessionCookies {
  arrivalOf(request: FastifyRequest): Arrival;
  /** Sets the session's cookie, and the one by which the browser is known. Resolves to the answer, with the other half of the secret. */
  enter(reply: FastifyReply, entered: SignedIn): NewSession;
  /** Takes the session's cookie back. The browser stays known. */
  leave(reply: FastifyReply): void;
}

export interface SessionCookieOptions {
  readonly addresses: Addresses;
  readonly clients: ClientAddresses;
  readonly version: string;
}

export function createSessionCookies({ addresses, clients, version }: SessionCookieOptions): SessionCookies {
  const knownBrowserName = (request: FastifyRequest) => `${addresses.cookieName(request.raw)}_known`;

  function setCookie(reply: FastifyReply, name: string, value: string, expiresAt: string | null): void {
    reply.setCookie(name, value, {
      // A name that begins with `__Host-` is for the whole host (RFC 6265bis, 4.1.3.2).
      path: "/",
      httpOnly: true,
      sameSite: "strict",
      // Not on the loopback interface, which is plain HTTP, where some browsers refuse such cookies.
      secure: addresses.isPublic(reply.request.raw),
      ...(expiresAt === null ? {} : { expires: new Date(expiresAt) }),
    });
  }

  return {
    arrivalOf: (request) => ({
      address: clients.clientAddressOf(request.raw),
      device: deviceOf(request.headers["user-agent"]),
      knownBrowser: request.cookies[knownBrowserName(request)]?.slice(0, 128) ?? null,
    }),

    enter(reply, { secret, credential, account, knownBrowser }) {
      const { cookie, key } = cookieAndKey(secret);
      setCookie(reply, addresses.cookieName(reply.request.raw), cookie, credential.expiresAt);
      if (knownBrowser !== null)
        setCookie(reply, knownBrowserName(reply.request), knownBrowser.secret, knownBrowser.credential.expiresAt);
      reply.header("cache-control", "no-store");
      reply.log.info({ actor: account.id }, "sign-in");
      return { account: { id: account.id, name: account.name, role: account.role }, version, key };
    },

    leave(reply) {
      const { raw } = reply.request;
      reply.clearCookie(addresses.cookieName(raw), { path: "/", secure: addresses.isPublic(raw) });
    },
  };
}
