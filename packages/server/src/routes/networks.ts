import { CreateNetwork, JoinNetwork, SharedNetwork } from "@microterm/protocol";
import { z } from "zod";
import type { App, Services } from "../services.ts";
import { NoContent, problems } from "./schemas.ts";

const Networks = z.strictObject({ networks: z.array(SharedNetwork) });

/** Networks that environments share. */
export function sharedNetworkRoutes(app: App, { environments }: Services): void {
  const tags = ["network"];

  app.post(
    "/v1/networks",
    {
      schema: {
        tags,
        summary: "Create a network that environments can share",
        body: CreateNetwork,
        response: { 201: SharedNetwork, ...problems },
      },
    },
    async (request, reply) => {
      reply.status(201);
      return environments.createNetwork(request.identity.actor, request.body);
    },
  );

  app.get(
    "/v1/networks",
    { schema: { tags, summary: "List shared networks and their members", response: { 200: Networks, ...problems } } },
    async (request) => ({ networks: [...(await environments.listNetworks(request.identity.actor))] }),
  );

  app.delete(
    "/v1/networks/:network",
    {
      schema: {
        tags,
        summary: "Remove a shared network that has no members",
        params: JoinNetwork,
        response: { 204: NoContent, ...problems },
      },
    },
    async (request, reply) => {
      await environments.removeNetwork(request.identity.actor, request.params.network);
      return reply.status(204).send(null);
    },
  );
}
