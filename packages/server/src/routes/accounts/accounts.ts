import type { AccountService } from "@microterm/core";
import {
  AcceptReset,
  Account,
  AccountList,
  CreateAccount,
  NewSession,
  ResetLink,
  UpdateAccount,
} from "@microterm/protocol";
import { z } from "zod";
import type { App, Services } from "../../services.ts";
import { NoContent, problems } from "../schemas.ts";
import { forAnyone } from "../session.ts";

/** A name or an id. */
const AccountReference = z.string().regex(/^[a-z0-9._-]{1,32}$/, "must be an account's name or id");
const AccountParams = z.strictObject({ account: AccountReference });

/** Without either, an account that has environments is not removed. */
const RemoveQuery = z
  .strictObject({
    /** `destroy`: with all its environments. */
    environments: z.enum(["destroy"]).optional(),
    /** The account that gets them. */
    transferTo: AccountReference.optional(),
  })
  .refine((query) => query.environments === undefined || query.transferTo === undefined, {
    message: "environments are destroyed or given to another account, not both",
  });

/** Other people's accounts, for admins. */
export function accountRoutes(app: App, services: Services): void {
  const { accounts, environments, sessionCookies } = services;
  const tags = ["accounts"];

  app.get(
    "/v1/accounts",
    { schema: { tags, summary: "All accounts (admins)", response: { 200: AccountList, ...problems } } },
    async ({ identity }) => ({ accounts: [...(await accounts.list(identity.actor))] }),
  );

  app.post(
    "/v1/accounts",
    {
      schema: {
        tags,
        summary: "Make an account, and a link by which its person sets a password (admins)",
        body: CreateAccount,
        response: { 201: ResetLink, ...problems },
      },
    },
    async ({ identity, body }, reply) =>
      reply
        .code(201)
        .header("cache-control", "no-store")
        .send(toResetLink(await accounts.add(identity.actor, body))),
  );

  app.patch(
    "/v1/accounts/:account",
    {
      schema: {
        tags,
        summary: "Give an account another role, disable or enable it (admins)",
        params: AccountParams,
        body: UpdateAccount,
        response: { 200: Account, ...problems },
      },
    },
    ({ identity, params, body }) => accounts.change(identity.actor, params.account, body),
  );

  app.delete(
    "/v1/accounts/:account",
    {
      schema: {
        tags,
        summary: "Remove an account that has no environments, with all it has, or once another one has that (admins)",
        params: AccountParams,
        querystring: RemoveQuery,
        response: { 204: NoContent, ...problems },
      },
    },
    async ({ identity: { actor }, params, query }, reply) => {
      if (query.environments === "destroy") {
        // It makes no others meanwhile.
        const { id } = await accounts.change(actor, params.account, { disabled: true });
        await environments.destroyAllOf(actor, id);
      }
      const { transferTo } = query;
      await accounts.remove(
        actor,
        params.account,
        transferTo === undefined ? undefined : (from) => environments.transferAllOf(actor, from, transferTo),
      );
      return reply.code(204).send(null);
    },
  );

  app.post(
    "/v1/accounts/:account/reset",
    {
      schema: {
        tags,
        summary: "Make a link that sets a new password once, and ends all sessions then (admins)",
        params: AccountParams,
        response: { 201: ResetLink, ...problems },
      },
    },
    async ({ identity, params }, reply) =>
      reply
        .code(201)
        .header("cache-control", "no-store")
        .send(toResetLink(await accounts.createReset(identity.actor, params.account))),
  );

  app.post(
    "/v1/resets/accept",
    {
      ...forAnyone(services),
      schema: {
        tags,
        security: [],
        summary: "Set a new password by such a link, and sign in",
        body: AcceptReset,
        response: { 200: NewSession, ...problems },
      },
    },
    async (request, reply) =>
      sessionCookies.enter(reply, await accounts.acceptReset(request.body, sessionCookies.arrivalOf(request))),
  );
}

function toResetLink({ account, secret, credential }: Awaited<ReturnType<AccountService["createReset"]>>): ResetLink {
  const { id, name, role } = account;
  return { account: { id, name, role }, code: secret, expiresAt: credential.expiresAt ?? "" };
}
