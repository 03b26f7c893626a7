import type { LinkingSession, ProvenIdentity } from "@microterm/core";
import {
  AccountIdentityList,
  IdentityId,
  IdentityLink,
  type IdentityLinkOutcome,
  PlatformError,
} from "@microterm/protocol";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { type Flow, secretsOf } from "../../auth/oidc/flow.ts";
import type { App, OidcServices, Services } from "../../services.ts";
import { NoContent, problems } from "../schemas.ts";
import { forAnyone } from "../session.ts";

const CALLBACK = "/v1/sign-in/oidc/callback";
/** Where one's identities are listed. */
const ACCOUNT_PAGE = "/account";
/** No other site's address, and none that a browser reads as one (`//host`, `/\\host`). */
const OWN_PATH = /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,511}$/;

const IdentityParams = z.strictObject({ identity: IdentityId });

/** Signing in at the provider, and linking who one is there to one's account. */
export function providerRoutes(app: App, services: Services): void {
  const { accounts, addresses, audit, clients, oidc } = services;

  function configured(): OidcServices {
    if (oidc !== null) return oidc;
    throw new PlatformError("NOT_FOUND", "This instance has no provider to sign in at.");
  }

  function callbackOf(request: FastifyRequest): URL {
    const origin = addresses.originOf(request.raw);
    if (origin !== null) return new URL(CALLBACK, origin);
    throw new PlatformError(
      "BAD_REQUEST",
      "A provider leads back to 127.0.0.1 or the public URL, and this is neither. Start the server with --public-url.",
    );
  }

  async function begin(reply: FastifyReply, wish: Pick<Flow, "to" | "link">): Promise<string> {
    const { provider, flows, cookies } = configured();
    const { flow, sealed } = flows.begin(wish);
    // A linked identity signs in from then on, and the browser may be signed in there as another person: the provider asks again.
    const asksAnew = wish.link !== null;
    const { href } = await provider.begin(callbackOf(reply.request).href, secretsOf(flow), { asksAnew });
    cookies.begin(reply, sealed);
    reply.header("cache-control", "no-store");
    return href;
  }

  /** A person waits on the page of their account for what comes of it, and not for a page with a problem. */
  async function link(by: LinkingSession, proven: Promise<ProvenIdentity>): Promise<IdentityLinkOutcome> {
    try {
      return (await accounts.linkIdentity(by, await proven)) ? "linked" : "linked-before";
    } catch (error) {
      if (error instanceof PlatformError && error.code !== "INTERNAL") return error.code;
      throw error;
    }
  }

  app.get(
    "/v1/sign-in/oidc",
    {
      ...forAnyone(services),
      schema: {
        tags: ["session"],
        security: [],
        summary: "Go to the provider to sign in there, and to a path of the page then",
        querystring: z.strictObject({ return: z.string().max(2048).optional() }),
        response: { 302: NoContent, ...problems },
      },
    },
    async (request, reply) => {
      const { return: to = "/" } = request.query;
      return reply.redirect(await begin(reply, { to: OWN_PATH.test(to) ? to : "/", link: null }));
    },
  );

  app.get(
    CALLBACK,
    {
      ...forAnyone(services),
      schema: {
        tags: ["session"],
        security: [],
        summary: "Where the provider leads back to, in the browser in which the sign-in was begun",
        response: { 303: NoContent, ...problems },
      },
    },
    async (request, reply) => {
      const { provider, flows, cookies } = configured();
      const answer = callbackOf(request);
      answer.search = new URL(request.raw.url ?? "", answer).search;
      const flow = flows.take(cookies.flowOf(request), answer.searchParams.get("state"));
      if (flow === null) {
        throw new PlatformError(
          "PROVIDER_SIGN_IN_FAILED",
          "No such sign-in is under way in this browser: it has ended, took longer than ten minutes, or was begun elsewhere.",
        );
      }
      cookies.end(reply);
      reply.header("cache-control", "no-store");
      const address = clients.clientAddressOf(request.raw);
      const proven = provider.finish(answer, secretsOf(flow));
      if (flow.link !== null) {
        return reply.redirect(`${flow.to}?identity=${await link({ ...flow.link, address }, proven)}`, 303);
      }
      const { secret } = await accounts.signInByProvider(await proven).catch(async (error: unknown) => {
        await audit.signInFailed({ way: "oidc", address, account: null });
        throw error;
      });
      const key = cookies.hand(reply, secret);
      return reply.redirect(`/sign-in?to=${encodeURIComponent(flow.to)}#token=${key}`, 303);
    },
  );

  const tags = ["account"];

  app.get(
    "/v1/account/identities",
    {
      schema: { tags, summary: "Who one is at the provider", response: { 200: AccountIdentityList, ...problems } },
    },
    async ({ identity }) => ({ identities: [...(await accounts.identities(identity.actor))] }),
  );

  app.post(
    "/v1/account/identities",
    {
      schema: {
        tags,
        summary: "Begin to link who one is at the provider, for a browser, which goes to the answered address",
        response: { 200: IdentityLink, ...problems },
      },
    },
    async ({ identity }, reply) => {
      if (identity.via !== "session") {
        throw new PlatformError("FORBIDDEN", "An identity is linked in a browser: sign in there.");
      }
      const link = { account: identity.actor.owner, session: identity.hash };
      return { url: await begin(reply, { to: ACCOUNT_PAGE, link }) };
    },
  );

  app.delete(
    "/v1/account/identities/:identity",
    {
      schema: {
        tags,
        summary: "Unlink it; sessions go on",
        params: IdentityParams,
        response: { 204: NoContent, ...problems },
      },
    },
    async ({ identity, params }, reply) => {
      await accounts.unlinkIdentity(identity.actor, params.identity);
      return reply.code(204).send(null);
    },
  );
}
