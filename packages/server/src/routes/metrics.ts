import { Usage } from "@microterm/protocol";
import { requestSignal } from "../http/request-signal.ts";
import type { App, Services } from "../services.ts";
import { EnvironmentParams, problems } from "./schemas.ts";

export function metricsRoutes(app: App, { environments }: Services): void {
  app.get(
    "/v1/environments/:env/metrics",
    {
      schema: {
        tags: ["environments"],
        summary: "What it uses: by the guest's own account, and by the host's",
        params: EnvironmentParams,
        response: { 200: Usage, ...problems },
      },
    },
    (request, reply) =>
      environments.metrics(request.identity.actor, request.params.env, { signal: requestSignal(reply) }),
  );
}
