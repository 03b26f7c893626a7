import { loadavg } from "node:os";
import {
  AdminAct,
  AdminEnvironment,
  AdminHost,
  Environment,
  EnvironmentId,
  ForeignTerminal,
  TransferEnvironment,
} from "@microterm/protocol";
import { z } from "zod";
import type { App, Services } from "../services.ts";
import { EnvironmentParams, problems } from "./schemas.ts";

const AdminEnvironments = z.strictObject({ environments: z.array(AdminEnvironment) });
const ForeignTerminals = z.strictObject({ terminals: z.array(ForeignTerminal) });
const AdminActs = z.strictObject({ acts: z.array(AdminAct) });

/** What an admin sees and does of all owners' environments, and what these are told of it. */
export function adminRoutes(app: App, { environments }: Services): void {
  const tags = ["admin"];

  app.get(
    "/v1/admin/environments",
    {
      schema: {
        tags,
        summary: "List all owners' environments, and what they use (admins)",
        response: { 200: AdminEnvironments, ...problems },
      },
    },
    async (request) => ({ environments: [...(await environments.listAll(request.identity.actor))] }),
  );

  app.post(
    "/v1/admin/environments/:env/transfer",
    {
      schema: {
        tags,
        summary: "Give an environment to another account (admins)",
        params: EnvironmentParams,
        body: TransferEnvironment,
        response: { 200: Environment, ...problems },
      },
    },
    async (request) => environments.transfer(request.identity.actor, request.params.env, request.body),
  );

  app.get(
    "/v1/admin/environments/:id/terminals",
    {
      schema: {
        tags,
        summary: "List the terminals of another's environment that can be looked into (admins)",
        params: z.strictObject({ id: EnvironmentId }),
        response: { 200: ForeignTerminals, ...problems },
      },
    },
    async (request) => ({
      terminals: [...(await environments.foreignTerminals(request.identity.actor, request.params.id))],
    }),
  );

  app.get(
    "/v1/account/admin-acts",
    {
      schema: {
        tags,
        summary: "What admins did with one's own environments: looked into their terminals, or gave them to others",
        response: { 200: AdminActs, ...problems },
      },
    },
    async (request) => ({ acts: [...(await environments.adminActs(request.identity.actor))] }),
  );

  app.get(
    "/v1/admin/host",
    {
      schema: {
        tags,
        summary: "What the host has, what of it is promised, and what is used (admins)",
        response: { 200: AdminHost, ...problems },
      },
    },
    async (request) => {
      const [one = 0, five = 0, fifteen = 0] = loadavg();
      return {
        load: { one, five, fifteen },
        ...(await environments.hostUse(request.identity.actor)),
      };
    },
  );
}
