import { HostStatus } from "@microterm/protocol";
import type { App, Services } from "../services.ts";
import { problems } from "./schemas.ts";

export function hostRoutes(app: App, { drivers, network, environments, version }: Services): void {
  app.get(
    "/v1/host",
    {
      schema: {
        tags: ["host"],
        summary: "The machine the environments run on",
        response: { 200: HostStatus, ...problems },
      },
    },
    async (request) => {
      const driver = drivers.default;
      const { accelerator, acceleratorReason, isolation } = driver.capabilities;
      const [resources, own] = await Promise.all([driver.resources(), environments.count(request.identity.actor)]);
      return {
        version,
        driver: driver.name,
        accelerator,
        acceleratorReason,
        isolation,
        network: network.name,
        ...resources,
        environments: own,
        templates: environments.templates(),
        images: await environments.images(),
        pool: environments.pool(),
      };
    },
  );
}
