import {
  CreatedPreviewLink,
  NewPreviewLink,
  NewTicket,
  PlatformError,
  PortList,
  PreviewLink,
  PreviewTicket,
} from "@microterm/protocol";
import { z } from "zod";
import { requestSignal } from "../../http/request-signal.ts";
import { linkUrl, ticketUrl } from "../../previews/entry.ts";
import { listPorts } from "../../previews/list-ports.ts";
import type { App, Services } from "../../services.ts";
import { EnvironmentParams, NoContent, problems } from "../schemas.ts";

const LinkParams = z.strictObject({ ...EnvironmentParams.shape, link: PreviewLink.shape.id });
const Links = z.strictObject({ links: z.array(PreviewLink) });

/** What an environment serves at its ports: their list, and what opens one in a browser. */
export function previewRoutes(app: App, { environments, previews, previewHosts }: Services): void {
  const tags = ["previews"];
  const originOf = (target: Parameters<typeof previewHosts.originOf>[0], host: string | undefined): string => {
    const origin = previewHosts.originOf(target, host);
    if (origin !== null) return origin;
    throw new PlatformError("PREVIEWS_OFF", "this server has no address under which a browser could reach a port");
  };

  app.get(
    "/v1/environments/:env/ports",
    {
      schema: {
        tags,
        summary: "The TCP ports that its programs listen on",
        params: EnvironmentParams,
        response: { 200: PortList, ...problems },
      },
    },
    async (request, reply) => {
      const id = await environments.locate(request.identity.actor, request.params.env, "environment.inspect");
      const list = await listPorts(await environments.agentOf(id), requestSignal(reply));
      return { ...list, previews: previewHosts.addressesFor(request.raw.headers.host) };
    },
  );

  app.post(
    "/v1/environments/:env/previews/tickets",
    {
      schema: {
        tags,
        summary: "An address that opens a port once, in the browser whose session asks (sessions only)",
        params: EnvironmentParams,
        body: NewTicket,
        response: { 201: PreviewTicket, ...problems },
      },
    },
    async (request, reply) => {
      const { identity } = request;
      if (identity.via !== "session") {
        throw new PlatformError(
          "FORBIDDEN",
          "A ticket belongs to a browser's session; with a bearer token, share a link or forward the port.",
        );
      }
      const wanted = { reference: request.params.env, port: request.body.port };
      const ticket = await previews.issueTicket(identity.actor, wanted, identity);
      const origin = originOf(ticket, request.raw.headers.host);
      return reply.code(201).send({ url: ticketUrl(origin, ticket.secret), expiresAt: ticket.expiresAt });
    },
  );

  app.get(
    "/v1/environments/:env/previews/links",
    {
      schema: {
        tags,
        summary: "Links to its ports that are shared",
        params: EnvironmentParams,
        response: { 200: Links, ...problems },
      },
    },
    async (request) => ({ links: [...(await previews.links(request.identity.actor, request.params.env))] }),
  );

  app.post(
    "/v1/environments/:env/previews/links",
    {
      schema: {
        tags,
        summary: "Share a port with anyone who has the link, until it ends",
        params: EnvironmentParams,
        body: NewPreviewLink,
        response: { 201: CreatedPreviewLink, ...problems },
      },
    },
    async (request, reply) => {
      const { actor } = request.identity;
      const environment = await environments.locate(actor, request.params.env, "preview.share");
      // Before it is made: a link that nobody can be given is none.
      const origin = originOf({ environment, port: request.body.port }, request.raw.headers.host);
      const { secret, link } = await previews.share(actor, environment, request.body);
      return reply.code(201).send({ ...link, url: linkUrl(origin, secret) });
    },
  );

  app.delete(
    "/v1/environments/:env/previews/links/:link",
    {
      schema: {
        tags,
        summary: "End a shared link, and close what it has opened",
        params: LinkParams,
        response: { 204: NoContent, ...problems },
      },
    },
    async (request, reply) => {
      await previews.revoke(request.identity.actor, request.params.env, request.params.link);
      return reply.code(204).send(null);
    },
  );
}
