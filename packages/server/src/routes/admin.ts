import { loadavg } from "node:os";
import { AdminEnvironment, AdminHost, Environment, TransferEnvironment } from "@microterm/protocol";
import { z } from "zod";
import type { App, Services } from "../services.ts";
import { EnvironmentParams, problems } from "./schemas.ts";

const AdminEnvironments = z.strictObject({ environments: z.array(AdminEnvironment) });

/** What an admin sees and does of all owners' environments. */
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
