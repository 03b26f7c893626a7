import type { App, Services } from "../services.ts";
import { environmentRoutes } from "./environments/environments.ts";
import { execRoutes } from "./environments/exec.ts";
import { fileRoutes } from "./environments/files.ts";
import { logRoutes } from "./environments/logs.ts";
import { networkRoutes } from "./environments/network.ts";
import { previewRoutes } from "./environments/previews.ts";
import { recordingRoutes } from "./environments/recordings.ts";
import { terminalRoutes } from "./environments/terminals.ts";
import { eventRoutes } from "./events.ts";
import { healthRoutes } from "./health.ts";
import { hostRoutes } from "./host.ts";
import { metricsRoutes } from "./metrics.ts";
import { sharedNetworkRoutes } from "./networks.ts";
import { openApiRoutes } from "./openapi.ts";
import { pageRoutes } from "./page.ts";
import { sessionRoutes } from "./session.ts";
import { webSocketRoutes } from "./web-sockets.ts";

/** Every address of the server but the WebSockets, which terminal/clients/upgrade.ts has. */
export async function registerRoutes(app: App, services: Services): Promise<void> {
  healthRoutes(app, services);
  openApiRoutes(app, services);
  await sessionRoutes(app, services);
  hostRoutes(app, services);
  environmentRoutes(app, services);
  networkRoutes(app, services);
  sharedNetworkRoutes(app, services);
  terminalRoutes(app, services);
  recordingRoutes(app, services);
  webSocketRoutes(app);
  execRoutes(app, services);
  logRoutes(app, services);
  previewRoutes(app, services);
  metricsRoutes(app, services);
  eventRoutes(app, services);
  await fileRoutes(app, services);
  await pageRoutes(app, services);
}
