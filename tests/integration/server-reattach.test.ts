import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { GuestAgent, Machine } from "@microterm/core";
import { createProcessDriver } from "@microterm/drivers";
import { MachineId, TERMINAL_SUBPROTOCOL, TerminalId } from "@microterm/protocol";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { Attachment } from "../../packages/server/src/terminal/attachment.ts";
import { ClientSocket } from "../../packages/server/src/terminal/client-socket.ts";
import { createTerminalSizes } from "../../packages/server/src/terminal/terminal-sizes.ts";
import { createQuietLog } from "../../support/quiet-log.ts";
import { rustBinary } from "../../support/rust-binaries.ts";
import { poll } from "../../support/server.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";
import { TerminalClient } from "../../support/terminal-client.ts";

const TERMINAL = TerminalId.parse("t1");
let folder: TempFolder;
let machine: Machine;
beforeAll(async () => {
  folder = await makeTempFolder();
  const agentBinary = await rustBinary("microterm-agent");
  const driver = createProcessDriver({ agentBinary, directory: folder.path, log: createQuietLog() });
  const machineId = MachineId.parse("reattach00000000");
  machine = await driver.boot({ machineId, memoryMib: 128, cpus: 1, diskId: null, environmentId: "e" });
});
afterAll(async () => {
  await machine.stop();
  await folder.remove();
});

/** A server of nothing but this terminal, whose connection to the guest the test can break. */
async function serve(agent: () => Promise<GuestAgent>): Promise<{ readonly url: string; readonly token: string }> {
  const http = createServer();
  const sizes = createTerminalSizes();
  const webSockets = new WebSocketServer({ noServer: true, handleProtocols: () => TERMINAL_SUBPROTOCOL });
  const connections = { add: () => () => undefined, size: 0, closeAll: () => undefined, dispose: () => undefined };
  const identity = { hash: "", owner: "owner000" as never, expiresAt: null, via: "bearer" as const };
  const [terminal] = await (await agent()).terminals();
  if (terminal === undefined) throw new Error("no terminal");
  http.on("upgrade", (request, socket, head) => {
    webSockets.handleUpgrade(request, socket, head, (webSocket: WebSocket) => {
      const client = new ClientSocket({ socket: webSocket, transport: socket as Socket, identity, connections });
      new Attachment({ client, terminal, from: undefined, agent, size: sizes.join("t") });
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void http.close());
  return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, token: "" };
}

it("goes on at the very byte after the connection to a living guest broke, again and again", async () => {
  const agent = () => machine.agent({ timeoutMs: 60_000 });
  const script = "stty -onlcr -echo; seq 1 200000; echo MIDDLE; while read line; do echo got $line; done";
  await (await agent()).openTerminal({ id: TERMINAL, cols: 80, rows: 24, command: ["sh", "-c", script] });
  const client = new TerminalClient(await serve(agent), "e", "t1");
  let breaks = 0;
  const breaker = setInterval(() => {
    breaks += 1;
    void agent().then((current) => current.close());
  }, 15);
  await client.until("MIDDLE");
  await poll("ten breaks", () => breaks >= 10);
  clearInterval(breaker);
  client.type("after\n");
  await client.until("got after");
  expect(client.jumps).toEqual([]);
  const expected = `${Array.from({ length: 200_000 }, (_, index) => index + 1).join("\n")}\nMIDDLE\ngot after\n`;
  expect(client.text === expected).toBe(true);
  expect(client.frames.filter((frame) => frame.startsWith("RESIZE"))).toEqual(["RESIZE 0 80 24"]);
  await client.close();
});
