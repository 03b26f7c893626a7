import {
  ChangeGrant,
  CreatedShare,
  EnvironmentId,
  NewShare,
  Share,
  SharedTerminal,
  ShareGrant,
  TerminalId,
} from "@microterm/protocol";
import { z } from "zod";
import type { App, Services } from "../../services.ts";
import { EnvironmentParams, GrantParams, NoContent, problems, TerminalParams } from "../schemas.ts";

const ShareParams = z.strictObject({ ...EnvironmentParams.shape, share: Share.shape.id });
const GrantOfEnvironment = z.strictObject({ ...EnvironmentParams.shape, ...GrantParams.shape });
const LookInParams = z.strictObject({ id: EnvironmentId, terminal: TerminalId });
const Shares = z.strictObject({ shares: z.array(Share) });

/** What an owner shares of an environment's terminals, and what an admin sees of another's. */
export function shareRoutes(app: App, { sharing }: Services): void {
  const tags = ["sharing"];

  app.post(
    "/v1/environments/:env/terminals/:terminal/shares",
    {
      schema: {
        tags,
        summary: "Share a terminal with an account, or with anyone who has the link that is answered",
        params: TerminalParams,
        body: NewShare,
        response: { 201: CreatedShare, ...problems },
      },
    },
    async (request, reply) => {
      const { env, terminal } = request.params;
      reply.code(201);
      return sharing.share(request.identity.actor, { reference: env, terminal }, request.body);
    },
  );

  app.get(
    "/v1/environments/:env/shares",
    {
      schema: {
        tags,
        summary: "What is shared of its terminals, and who was let in",
        params: EnvironmentParams,
        response: { 200: Shares, ...problems },
      },
    },
    async (request) => ({ shares: [...(await sharing.shares(request.identity.actor, request.params.env))] }),
  );

  app.delete(
    "/v1/environments/:env/shares/:share",
    {
      schema: {
        tags,
        summary: "End a share, and close the connections of all whom it let in",
        params: ShareParams,
        response: { 204: NoContent, ...problems },
      },
    },
    async (request, reply) => {
      await sharing.revoke(request.identity.actor, request.params.env, request.params.share);
      return reply.code(204).send(null);
    },
  );

  app.patch(
    "/v1/environments/:env/grants/:grant",
    {
      schema: {
        tags,
        summary:
          "Let one person type, or look on alone, from now on; taken from one, a link lets nobody new without an account type",
        params: GrantOfEnvironment,
        body: ChangeGrant,
        response: { 200: ShareGrant, ...problems },
      },
    },
    async (request) => {
      const { env: reference, grant } = request.params;
      return sharing.setRole(request.identity.actor, { reference, grant }, request.body.role);
    },
  );

  app.delete(
    "/v1/environments/:env/grants/:grant",
    {
      schema: {
        tags,
        summary:
          "Let one person in no longer, nor by the same link anybody new without an account, and close their connections",
        params: GrantOfEnvironment,
        response: { 204: NoContent, ...problems },
      },
    },
    async (request, reply) => {
      const { env: reference, grant } = request.params;
      await sharing.removeGrant(request.identity.actor, { reference, grant });
      return reply.code(204).send(null);
    },
  );

  app.post(
    "/v1/admin/environments/:id/terminals/:terminal/look-in",
    {
      schema: {
        tags,
        summary:
          "Be let in to see another's terminal for an hour; it is recorded, and its owner is shown (admins only)",
        params: LookInParams,
        response: { 201: SharedTerminal, ...problems },
      },
    },
    async (request, reply) => {
      reply.code(201);
      return sharing.lookIn(request.identity.actor, request.params.id, request.params.terminal);
    },
  );
}
