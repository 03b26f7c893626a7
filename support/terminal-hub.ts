import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import type { GuestAgent, GuestTerminal } from "@microterm/core";
import { TERMINAL_SUBPROTOCOL } from "@microterm/protocol";
import { onTestFinished } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { ClientSocket } from "../packages/server/src/terminal/clients/client-socket.ts";
import { HubClient } from "../packages/server/src/terminal/clients/hub-client.ts";
import { TerminalHub } from "../packages/server/src/terminal/hub/hub.ts";
import { createModelHost } from "../packages/server/src/terminal/screen/model-host.ts";
import { makeTempFolder } from "./temp-folder.ts";

/** A server of nothing but one terminal, in this process, whose connection to the guest the test can break. */
export async function serveTerminal(
  terminal: GuestTerminal,
  agent: () => Promise<GuestAgent>,
): Promise<{ readonly url: string; readonly token: string; readonly hub: TerminalHub }> {
  const http = createServer();
  const webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    handleProtocols: () => TERMINAL_SUBPROTOCOL,
  });
  const nothing = () => undefined;
  const connections = { add: () => nothing, size: 0, closeOf: nothing, closeAll: nothing, dispose: nothing };
  const identity = { hash: "", owner: "owner000" as never, expiresAt: null, since: 0 as const };
  const folder = await makeTempFolder();
  const models = createModelHost({ error: (fields, message) => console.error(message, fields) });
  const hub = await TerminalHub.open({
    totals: { clients: 0, outputBytes: 0, inputBytes: 0 },
    scrollback: 1000,
    terminal,
    agent,
    models,
    isEnvironmentPaused: async () => false,
    onChange: () => () => undefined,
    path: join(folder.path, "screen.json"),
    onInput: () => undefined,
    broke: (error) => console.error(error),
    onOver: () => undefined,
  });
  http.on("upgrade", (request, transport, head) => {
    webSockets.handleUpgrade(request, transport, head, (webSocket: WebSocket) => {
      const socket = new ClientSocket({
        ...{ socket: webSocket, transport: transport as Socket, identity, connections },
        environment: null,
      });
      const source = { log: hub.log, terminal: terminal.id, agent, broke: hub.broke };
      const { startOffset: start } = terminal;
      new HubClient({
        socket,
        hub,
        source,
        terminal: terminal.id,
        start,
        end: hub.log.end,
        from: 0n,
        role: "owner",
        seat: null,
        isTold: false,
        shared: null,
        input: undefined,
      });
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    http.close();
    hub.close({ code: 1012, reason: "the test is over" }, false);
    await models.stop();
    await folder.remove();
  });
  return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, token: "", hub };
}
