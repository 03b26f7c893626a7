import rateLimit from "@fastify/rate-limit";
import { actorOf } from "@microterm/core";
import { NewSession, PlatformError, Session, SignIn } from "@microterm/protocol";
import type { FastifyReply } from "fastify";
import { z } from "zod";
import { cookieAndKey } from "../auth/session-secret.ts";
import type { App, Services } from "../services.ts";
import { NoContent, problems } from "./schemas.ts";

/**
 * A link has 248 random bits, so this is about noise and not about guessing. Only what fails is counted: all who ask come from
 * this host's own address, and no one must be able to lock the owner out.
 */
const FAILURES_PER_MINUTE = 20;

const SignInLink = z.strictObject({ token: z.string(), expiresAt: z.iso.datetime() });

export async function sessionRoutes(app: App, { credentials, addresses, version }: Services): Promise<void> {
  await app.register(rateLimit, { global: false });
  const countFailure = app.createRateLimit({ max: FAILURES_PER_MINUTE, timeWindow: 60_000 });
  const tags = ["session"];

  app.post(
    "/v1/session",
    {
      config: { public: true },
      schema: {
        tags,
        security: [],
        summary: "Exchange a sign-in link's token for a session: a cookie, and a key that is sent beside it",
        body: SignIn,
        response: { 200: NewSession, ...problems },
      },
      onRequest: async (request) => addresses.checkOrigin(request.raw, { required: false }),
    },
    async (request, reply) => {
      const { secret, credential } = await credentials.exchange(request.body.token).catch(async (error: unknown) => {
        const count = await countFailure(request);
        const isExceeded = !count.isAllowed && count.isExceeded;
        throw isExceeded ? new PlatformError("TOO_MANY", "Too many attempts to sign in have failed.") : error;
      });
      const { cookie, key } = cookieAndKey(secret);
      setCookie(reply, addresses.cookieName(), cookie, credential.expiresAt);
      request.log.info({ actor: actorOf(credential).id }, "sign-in");
      return { owner: credential.owner, version, key };
    },
  );

  app.get(
    "/v1/session",
    { schema: { tags, summary: "Who is signed in", response: { 200: Session, ...problems } } },
    (request) => ({ owner: request.identity.actor.owner, version }),
  );

  app.delete(
    "/v1/session",
    {
      schema: {
        tags,
        summary: "Sign out: end the session of the cookie, and close what it had opened",
        response: { 204: NoContent, ...problems },
      },
    },
    async (request, reply) => {
      if (request.identity.via !== "cookie") {
        throw new PlatformError("BAD_REQUEST", "There is no session to end: the request came with a bearer token.");
      }
      await credentials.revoke({ hash: request.identity.hash });
      return reply.clearCookie(addresses.cookieName(), { path: "/" }).code(204).send(null);
    },
  );

  app.post(
    "/v1/links",
    {
      schema: {
        tags,
        summary: "Make a one-time sign-in link (bearer tokens only)",
        response: { 201: SignInLink, ...problems },
      },
    },
    async (request, reply) => {
      if (request.identity.via !== "bearer") {
        throw new PlatformError("UNAUTHENTICATED", "A sign-in link is made with a bearer token, not with a session.");
      }
      const { secret, credential } = await credentials.createLink(request.identity.actor);
      return reply.code(201).send({ token: secret, expiresAt: credential.expiresAt ?? "" });
    },
  );
}

function setCookie(reply: FastifyReply, name: string, secret: string, expiresAt: string | null): void {
  reply.setCookie(name, secret, {
    path: "/",
    httpOnly: true,
    sameSite: "strict",
    // Not `secure`: the server is plain HTTP on the loopback interface, where some browsers refuse such cookies.
    ...(expiresAt === null ? {} : { expires: new Date(expiresAt) }),
  });
}
