import { z } from "zod";
import { requestSignal } from "../http/request-signal.ts";
import type { App, Services } from "../services.ts";
import { EnvironmentParams, problems } from "./schemas.ts";

/** As the guest tells it: docs/reference/agent-protocol.md, `GET /v1/metrics`. */
const Metrics = z.strictObject({
  guest: z.strictObject({
    uptimeMs: z.number(),
    cpu: z.strictObject({ userMs: z.number(), systemMs: z.number(), idleMs: z.number() }),
    memory: z.strictObject({ totalKib: z.number(), availableKib: z.number() }),
    disk: z.strictObject({ totalKib: z.number(), freeKib: z.number() }),
    processes: z.number(),
    load1: z.number(),
  }),
});

export function metricsRoutes(app: App, { environments }: Services): void {
  app.get(
    "/v1/environments/:env/metrics",
    {
      schema: {
        tags: ["environments"],
        summary: "What the guest uses, by its own account",
        params: EnvironmentParams,
        response: { 200: Metrics, ...problems },
      },
    },
    async (request, reply) => {
      const agent = await environments.agent(request.identity.actor, request.params.env, {
        action: "environment.read",
        isUse: false,
      });
      return { guest: await agent.metrics({ signal: requestSignal(reply) }) };
    },
  );
}
