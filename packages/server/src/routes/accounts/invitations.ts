import {
  AcceptInvitation,
  CreateInvitation,
  InvitationId,
  InvitationList,
  InvitationTerms,
  IssuedInvitation,
  LookInvitation,
  NewSession,
} from "@microterm/protocol";
import { z } from "zod";
import type { App, Services } from "../../services.ts";
import { NoContent, problems } from "../schemas.ts";
import { forAnyone } from "../session.ts";

const InvitationParams = z.strictObject({ invitation: InvitationId });

export function invitationRoutes(app: App, services: Services): void {
  const { accounts, sessionCookies } = services;
  const tags = ["accounts"];

  app.post(
    "/v1/invitations",
    {
      schema: {
        tags,
        summary: "Invite people by a link, whose code is shown this once (admins)",
        body: CreateInvitation,
        response: { 201: IssuedInvitation, ...problems },
      },
    },
    async ({ identity, body }, reply) => {
      const issued = await accounts.invite(identity.actor, body);
      return reply.code(201).header("cache-control", "no-store").send(issued);
    },
  );

  app.get(
    "/v1/invitations",
    { schema: { tags, summary: "Open invitations (admins)", response: { 200: InvitationList, ...problems } } },
    async ({ identity }) => ({ invitations: [...(await accounts.invitations(identity.actor))] }),
  );

  app.delete(
    "/v1/invitations/:invitation",
    {
      schema: {
        tags,
        summary: "Withdraw an invitation (admins)",
        params: InvitationParams,
        response: { 204: NoContent, ...problems },
      },
    },
    async ({ identity, params }, reply) => {
      await accounts.withdraw(identity.actor, params.invitation);
      return reply.code(204).send(null);
    },
  );

  app.post(
    "/v1/invitations/look",
    {
      ...forAnyone(services),
      schema: {
        tags,
        security: [],
        summary: "What an invitation is for; uses nothing up",
        body: LookInvitation,
        response: { 200: InvitationTerms, ...problems },
      },
    },
    (request) => accounts.look(request.body.code, sessionCookies.arrivalOf(request)),
  );

  app.post(
    "/v1/invitations/accept",
    {
      ...forAnyone(services),
      schema: {
        tags,
        security: [],
        summary: "Make an account by an invitation, and sign in",
        body: AcceptInvitation,
        response: { 200: NewSession, ...problems },
      },
    },
    async (request, reply) =>
      sessionCookies.enter(reply, await accounts.accept(request.body, sessionCookies.arrivalOf(request))),
  );
}
