import { PlatformError } from "@microterm/protocol";
import type { App } from "../services.ts";
import { EnvironmentParams, GrantParams, PortParams, problems, TerminalParams } from "./schemas.ts";

/** The WebSockets' addresses for requests without an upgrade; terminal/clients/upgrade.ts has the rest. */
export function webSocketRoutes(app: App): void {
  app.get(
    "/v1/environments/:env/terminals/:terminal/attach",
    {
      schema: {
        tags: ["terminals"],
        summary: "WebSocket microterm.terminal.v1; `from` is an offset",
        params: TerminalParams,
        response: problems,
      },
    },
    refuse,
  );
  app.get(
    "/v1/shared/:grant/attach",
    {
      schema: {
        tags: ["sharing"],
        summary: "WebSocket microterm.terminal.v1 to a terminal that is shared with the one who asks",
        params: GrantParams,
        response: problems,
      },
    },
    refuse,
  );
  app.get(
    "/v1/environments/:env/exec",
    {
      schema: { tags: ["exec"], summary: "WebSocket microterm.exec.v1", params: EnvironmentParams, response: problems },
    },
    refuse,
  );
  app.get(
    "/v1/environments/:env/ports/:port/connect",
    {
      schema: {
        tags: ["previews"],
        summary: "WebSocket microterm.connect.v1: a TCP connection to a port",
        params: PortParams,
        response: problems,
      },
    },
    refuse,
  );
}

function refuse(): never {
  throw new PlatformError("UPGRADE_REQUIRED", "This address is a WebSocket.");
}
