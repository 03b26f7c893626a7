import { SECRET_LENGTH } from "@microterm/core";
import {
  AcceptedShare,
  AcceptShare,
  LookAtShare,
  PlatformError,
  SharedTerminal,
  SharePreview,
} from "@microterm/protocol";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { cookieAndKey } from "../../auth/session-secret.ts";
import type { Addresses } from "../../http/addresses.ts";
import { systemRandomness } from "../../process/system-clock.ts";
import type { App, Services } from "../../services.ts";
import { GrantParams, NoContent, problems } from "../schemas.ts";

/** A browser is asked for its name again after so long; each link ends earlier. */
const COOKIE_LIFETIME_MS = 30 * 24 * 3_600_000;

const SharedTerminals = z.strictObject({ terminals: z.array(SharedTerminal) });

/** What is shared with the one who asks: an account, or a browser without one. */
export function sharedRoutes(app: App, services: Services): void {
  const { sharing, principals, addresses, clients, sha256, wrongShareCode } = services;
  const tags = ["sharing"];

  /** `act` is with a code that may be a guess. */
  async function limited<T>(request: FastifyRequest, act: () => Promise<T>): Promise<T> {
    services.readiness.assertRecovered();
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof PlatformError && error.code === "SHARE_ENDED")) throw error;
      throw await wrongShareCode(clients.clientAddressOf(request.raw), error);
    }
  }

  app.post(
    "/v1/shares/look",
    {
      config: { public: true },
      schema: {
        tags,
        security: [],
        summary: "What a shared link is; nothing is spent",
        body: LookAtShare,
        response: { 200: SharePreview, ...problems },
      },
      onRequest: async (request) => addresses.checkOrigin(request.raw, { required: false }),
    },
    async (request) => limited(request, () => sharing.look(request.body.code, clients.clientAddressOf(request.raw))),
  );

  app.post(
    "/v1/shares/accept",
    {
      config: { public: true },
      schema: {
        tags,
        security: [],
        summary: "Be let in by a shared link: a grant for the account that is signed in, else for this browser",
        body: AcceptShare,
        response: { 200: AcceptedShare, ...problems },
      },
      onRequest: async (request) => addresses.checkOrigin(request.raw, { required: false }),
    },
    async (request, reply) => {
      const { code, name } = request.body;
      const known = await principals.find(request.raw);
      const secret = systemRandomness.id(SECRET_LENGTH);
      const address = clients.clientAddressOf(request.raw);
      const principal = known?.principal ?? { kind: "browser", hash: sha256(secret), address };
      const terminal = await limited(request, () => sharing.accept(principal, code, name));
      const actor = principal.kind === "account" ? principal.actor.id : null;
      request.log.info({ actor, grant: terminal.id }, "share accepted");
      if (known !== null) return { ...terminal, key: null };
      const { cookie, key } = cookieAndKey(secret);
      setCookie(reply, addresses, cookie);
      return { ...terminal, key };
    },
  );

  app.get(
    "/v1/shared",
    {
      config: { public: true },
      schema: {
        tags,
        summary: "Terminals that are shared with the account that is signed in, else with this browser",
        response: { 200: SharedTerminals, ...problems },
      },
    },
    async (request) => {
      const { principal } = await principals.identify(request.raw);
      services.readiness.assertRecovered();
      return { terminals: [...(await sharing.shared(principal))] };
    },
  );

  app.delete(
    "/v1/shared/:grant",
    {
      config: { public: true },
      schema: {
        tags,
        summary: "Leave a shared terminal; a link that is live leads to it again",
        params: GrantParams,
        response: { 204: NoContent, ...problems },
      },
    },
    async (request, reply) => {
      const { principal } = await principals.identify(request.raw);
      services.readiness.assertRecovered();
      await sharing.leave(principal, request.params.grant);
      return reply.code(204).send(null);
    },
  );
}

function setCookie(reply: FastifyReply, addresses: Addresses, secret: string): void {
  const { raw } = reply.request;
  reply.setCookie(addresses.shareCookieName(raw), secret, {
    ...({ path: "/", httpOnly: true, sameSite: "strict" } as const),
    secure: addresses.isPublic(raw),
    expires: new Date(Date.now() + COOKIE_LIFETIME_MS),
  });
}
