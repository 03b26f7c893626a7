import {
  AccountSessionList,
  AccountTokenList,
  ChangePassword,
  CreateToken,
  CredentialId,
  IssuedToken,
} from "@microterm/protocol";
import { z } from "zod";
import type { App, Services } from "../../services.ts";
import { NoContent, problems } from "../schemas.ts";

const SessionParams = z.strictObject({ session: CredentialId });
const TokenParams = z.strictObject({ token: CredentialId });

/** Of the account that asks. With a token, none of these is allowed. */
export function ownAccountRoutes(app: App, { accounts, credentials }: Services): void {
  const tags = ["account"];

  app.put(
    "/v1/account/password",
    {
      schema: {
        tags,
        summary: "Change one's password; all other sessions end",
        body: ChangePassword,
        response: { 204: NoContent, ...problems },
      },
    },
    async ({ identity, body }, reply) => {
      await accounts.changePassword(identity.actor, body, identity.hash);
      return reply.code(204).send(null);
    },
  );

  app.get(
    "/v1/account/sessions",
    { schema: { tags, summary: "One's sessions", response: { 200: AccountSessionList, ...problems } } },
    async ({ identity }) => ({ sessions: [...(await credentials.sessions(identity.actor, identity.hash))] }),
  );

  app.delete(
    "/v1/account/sessions",
    {
      schema: {
        tags,
        summary: "End all sessions but the one that asks, with the links that could open others",
        response: { 204: NoContent, ...problems },
      },
    },
    async ({ identity }, reply) => {
      await credentials.endOthers(identity.actor, identity.hash);
      return reply.code(204).send(null);
    },
  );

  app.delete(
    "/v1/account/sessions/:session",
    {
      schema: {
        tags,
        summary: "End a session, and close what it had opened",
        params: SessionParams,
        response: { 204: NoContent, ...problems },
      },
    },
    async ({ identity, params }, reply) => {
      await credentials.end(identity.actor, "session", params.session);
      return reply.code(204).send(null);
    },
  );

  app.get(
    "/v1/account/tokens",
    { schema: { tags, summary: "One's API tokens", response: { 200: AccountTokenList, ...problems } } },
    async ({ identity }) => ({ tokens: [...(await credentials.tokens(identity.actor))] }),
  );

  app.post(
    "/v1/account/tokens",
    {
      schema: {
        tags,
        summary: "Make an API token, which is shown this once",
        body: CreateToken,
        response: { 201: IssuedToken, ...problems },
      },
    },
    async ({ identity, body }, reply) => {
      const issued = await credentials.createToken(identity.actor, body);
      return reply.code(201).header("cache-control", "no-store").send(issued);
    },
  );

  app.delete(
    "/v1/account/tokens/:token",
    {
      schema: {
        tags,
        summary: "Take a token out of use, and close what it had opened",
        params: TokenParams,
        response: { 204: NoContent, ...problems },
      },
    },
    async ({ identity, params }, reply) => {
      await credentials.end(identity.actor, "token", params.token);
      return reply.code(204).send(null);
    },
  );
}
