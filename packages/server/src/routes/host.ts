import { HostStatus } from "@microterm/protocol";
import type { App, Services } from "../services.ts";
import { problems } from "./schemas.ts";

export function hostRoutes(app: App, services: Services): void {
  const { drivers, driverReason, network, networkReason, networkPolicy, database, environments, version } = services;
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
      // What a driver cannot tell is 0, and `none`.
      const driver = drivers.default;
      const { policies, isEnforced } = network.capabilities;
      const { accelerator, acceleratorReason, isolation } = driver.capabilities;
      const [resources, own] = await Promise.all([driver.resources(), environments.count(request.identity.actor)]);
      return {
        version,
        driver: driver.name,
        driverReason,
        accelerator: accelerator ?? "none",
        acceleratorReason,
        isolation,
        network: network.name,
        networkReason,
        networkModes: [...policies],
        isNetworkEnforced: isEnforced,
        database,
        defaultNetwork: policies.includes(networkPolicy.mode) ? networkPolicy : null,
        memory: resources.memory ?? { totalMib: 0, availableMib: 0 },
        disk: resources.disk ?? { totalMib: 0, freeMib: 0 },
        cpus: resources.cpus ?? 0,
        environments: own,
        templates: environments.templates(),
        images: await environments.images(),
        pool: environments.pool(),
      };
    },
  );
}
