import { SECRET_LENGTH } from "@microterm/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Addresses } from "../../http/addresses.ts";
import { FLOW_LIFETIME_MS } from "./flow.ts";

/** As long as the link that it is half of. */
const ENTRY_SECONDS = 60;

/** What binds a sign-in at the provider to the browser in which it was begun. */
export interface ProviderCookies {
  begin(reply: FastifyReply, sealed: string): void;
  flowOf(request: FastifyRequest): string;
  end(reply: FastifyReply): void;
  /**
   * Gives a browser half of a link as a cookie. Resolves to the other half, for the page's address: who is sent that address by somebody
   * else is not signed in as them.
   */
  hand(reply: FastifyReply, secret: string): string;
  /** The secret of a sign-in link, from the token that a page has sent: one that is half of it takes the other from its cookie. */
  linkOf(request: FastifyRequest, reply: FastifyReply, token: string): string;
}

export function createProviderCookies(addresses: Pick<Addresses, "cookieName" | "isPublic">): ProviderCookies {
  const flowName = ({ raw }: FastifyRequest): string => `${addresses.cookieName(raw)}_oidc`;
  const entryName = ({ raw }: FastifyRequest): string => `${addresses.cookieName(raw)}_entry`;
  const shared = ({ raw }: FastifyRequest) => ({ path: "/", httpOnly: true, secure: addresses.isPublic(raw) });
  const half = SECRET_LENGTH / 2;

  return {
    begin(reply, sealed) {
      reply.setCookie(flowName(reply.request), sealed, {
        ...shared(reply.request),
        // The provider's site leads back here, to which a browser sends no strict one.
        ...{ sameSite: "lax", maxAge: FLOW_LIFETIME_MS / 1000 },
      });
    },
    flowOf: (request) => request.cookies[flowName(request)] ?? "",
    end: (reply) => void reply.clearCookie(flowName(reply.request), shared(reply.request)),
    hand(reply, secret) {
      reply.setCookie(entryName(reply.request), secret.slice(0, half), {
        ...shared(reply.request),
        ...{ sameSite: "strict", maxAge: ENTRY_SECONDS },
      });
      return secret.slice(half);
    },
    linkOf(request, reply, token) {
      if (token.length !== half) return token;
      reply.clearCookie(entryName(request), shared(request));
      return (request.cookies[entryName(request)] ?? "") + token;
    },
  };
}
