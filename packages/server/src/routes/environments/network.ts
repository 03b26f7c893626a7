import { AllowRule, Environment, JoinNetwork, NetworkDenial, NetworkStatus } from "@microterm/protocol";
import { z } from "zod";
import type { App, Services } from "../../services.ts";
import { EnvironmentParams, problems } from "../schemas.ts";

const Denials = z.strictObject({ denials: z.array(NetworkDenial) });

export function networkRoutes(app: App, { environments }: Services): void {
  const tags = ["network"];
  const params = EnvironmentParams;

  app.get(
    "/v1/environments/:env/network",
    {
      schema: {
        tags,
        summary: "What an environment may reach, and what it has sent and received",
        params,
        response: { 200: NetworkStatus, ...problems },
      },
    },
    (request) => environments.networkStatus(request.identity.actor, request.params.env),
  );

  app.get(
    "/v1/environments/:env/network/denials",
    {
      schema: {
        tags,
        summary: "What an environment was refused in the last hour, in no order",
        params,
        response: { 200: Denials, ...problems },
      },
    },
    async (request) => ({
      denials: [...(await environments.networkDenials(request.identity.actor, request.params.env))],
    }),
  );

  app.post(
    "/v1/environments/:env/network/allow",
    {
      schema: {
        tags,
        summary: "Add one rule to what an environment may reach; no effect where that is everything",
        params,
        body: AllowRule,
        response: { 200: Environment, ...problems },
      },
    },
    (request) => environments.allowNetwork(request.identity.actor, request.params.env, request.body),
  );

  app.post(
    "/v1/environments/:env/network/disallow",
    {
      schema: {
        tags,
        summary: "Take one rule out of an environment's allowlist; no effect where it has none that is the same",
        params,
        body: AllowRule,
        response: { 200: Environment, ...problems },
      },
    },
    (request) => environments.disallowNetwork(request.identity.actor, request.params.env, request.body),
  );

  app.post(
    "/v1/environments/:env/network/join",
    {
      schema: {
        tags,
        summary: "Have an environment be in a shared network, in the place of the one that it was in",
        params,
        body: JoinNetwork,
        response: { 200: Environment, ...problems },
      },
    },
    (request) => environments.joinNetwork(request.identity.actor, request.params.env, request.body.network),
  );

  app.post(
    "/v1/environments/:env/network/leave",
    {
      schema: {
        tags,
        summary: "Have an environment be in its own network alone",
        params,
        response: { 200: Environment, ...problems },
      },
    },
    (request) => environments.leaveNetwork(request.identity.actor, request.params.env),
  );
}
