import { CreateLink, NewSession, PlatformError, Session, SignIn, SignInLink, SignInWays } from "@microterm/protocol";
import type { FastifyRequest } from "fastify";
import type { App, Services } from "../services.ts";
import { NoContent, problems } from "./schemas.ts";

/** For what nobody has signed in to ask: a browser says where it comes from, and other sites' pages are refused. */
export const forAnyone = ({ addresses }: Pick<Services, "addresses">) => ({
  config: { public: true },
  onRequest: async (request: FastifyRequest) => addresses.checkOrigin(request.raw, { required: false }),
});

export function sessionRoutes(app: App, services: Services): void {
  const { accounts, credentials, oidc, sessionCookies, version } = services;
  const tags = ["session"];

  app.get(
    "/v1/sign-in",
    {
      ...forAnyone(services),
      schema: { tags, security: [], summary: "The ways to sign in", response: { 200: SignInWays, ...problems } },
    },
    () => accounts.waysIn(),
  );

  app.post(
    "/v1/session",
    {
      ...forAnyone(services),
      schema: {
        tags,
        security: [],
        summary:
          "Sign in, by a sign-in link's token or by name and password: for a cookie, and a key that is sent beside it",
        body: SignIn,
        response: { 200: NewSession, ...problems },
      },
    },
    async (request, reply) => {
      const arrival = sessionCookies.arrivalOf(request);
      const { body } = request;
      const entered = await ("token" in body
        ? accounts.signInByLink(oidc?.cookies.linkOf(request, reply, body.token) ?? body.token, arrival)
        : accounts.signIn(body, arrival));
      return sessionCookies.enter(reply, entered);
    },
  );

  app.get(
    "/v1/session",
    { schema: { tags, summary: "Who is signed in", response: { 200: Session, ...problems } } },
    ({ identity: { account, via, actor } }) => {
      const scopes = actor.scopes === null ? null : [...actor.scopes];
      return { account, via, scopes, version };
    },
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
      if (request.identity.via !== "session") {
        throw new PlatformError("BAD_REQUEST", "There is no session to end: the request came with a bearer token.");
      }
      await credentials.signOut(request.identity.actor, request.identity.hash);
      sessionCookies.leave(reply);
      return reply.code(204).send(null);
    },
  );

  app.post(
    "/v1/links",
    {
      schema: {
        tags,
        summary: "Make a one-time sign-in link, for the host's owner or any account (the data folder's token only)",
        body: CreateLink.nullish(),
        response: { 201: SignInLink, ...problems },
      },
    },
    async (request, reply) => {
      const { secret, credential, account } = await accounts.createLink(request.identity.actor, request.body?.account);
      const summary = { id: account.id, name: account.name, role: account.role };
      return reply.code(201).send({ account: summary, token: secret, expiresAt: credential.expiresAt ?? "" });
    },
  );
}
