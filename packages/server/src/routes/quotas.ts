import { AccountQuota, Quota, QuotaLimits, Quotas, Role } from "@microterm/protocol";
import { z } from "zod";
import type { App, Services } from "../services.ts";
import { NoContent, problems } from "./schemas.ts";

const RoleParams = z.strictObject({ role: Role });
/** By name or id. */
const AccountParams = z.strictObject({ account: z.string().min(1).max(64) });

/** What accounts may have of the host. */
export function quotaRoutes(app: App, { quotas }: Services): void {
  const tags = ["quotas"];

  app.get(
    "/v1/quota",
    {
      schema: { tags, summary: "What one may have, has and has left", response: { 200: Quota, ...problems } },
    },
    async (request) => quotas.own(request.identity.actor),
  );

  app.get(
    "/v1/quotas",
    {
      schema: {
        tags,
        summary: "What each role may have, and what each account may have and has (admins)",
        response: { 200: Quotas, ...problems },
      },
    },
    async (request) => quotas.all(request.identity.actor),
  );

  app.put(
    "/v1/quotas/:role",
    {
      schema: {
        tags,
        summary: "Set what accounts of a role may have that have no quota of their own (admins)",
        params: RoleParams,
        body: QuotaLimits,
        response: { 204: NoContent, ...problems },
      },
    },
    async (request, reply) => {
      await quotas.setRole(request.identity.actor, request.params.role, request.body);
      return reply.code(204).send(null);
    },
  );

  app.put(
    "/v1/accounts/:account/quota",
    {
      schema: {
        tags,
        summary: "Give an account a quota of its own, or its role's again (admins)",
        params: AccountParams,
        body: AccountQuota,
        response: { 204: NoContent, ...problems },
      },
    },
    async (request, reply) => {
      await quotas.setAccount(request.identity.actor, request.params.account, request.body.limits);
      return reply.code(204).send(null);
    },
  );
}
