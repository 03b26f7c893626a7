import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterEach, describe, expect, it, onTestFinished } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import type { LiveConnections } from "../../auth/live-connections.ts";
import { ClientSocket } from "./client-socket.ts";

type Connection = Parameters<LiveConnections["add"]>[0];

const connected: Connection[] = [];
const connections: LiveConnections = {
  add(connection) {
    connected.push(connection);
    return () => {
      connected.splice(connected.indexOf(connection), 1);
    };
  },
  size: 0,
  closeOf: () => undefined,
  closeAll: () => undefined,
  dispose: () => undefined,
};
const identity = { hash: "h", owner: "owner000" as never, expiresAt: null, since: 0 as const };
afterEach(() => expect(connected).toEqual([]));

/** Both ends of a real WebSocket. */
async function connect(options: WebSocket.ClientOptions = {}) {
  const http = createServer();
  const webSockets = new WebSocketServer({ noServer: true });
  const server = new Promise<ClientSocket>((resolve) => {
    http.on("upgrade", (request, transport: Socket, head) => {
      webSockets.handleUpgrade(request, transport, head, (socket) =>
        resolve(new ClientSocket({ socket, transport, identity, connections, environment: null })),
      );
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const peer = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`, options);
  onTestFinished(() => {
    peer.terminate();
    http.close();
  });
  const ended = new Promise<number>((resolve) => peer.once("close", resolve));
  const opened = new Promise((resolve) => peer.once("open", resolve));
  const client = await server;
  await opened;
  const gone = new Promise<void>((resolve) =>
    client.receive({ message: (message) => client.send(message), drained: () => undefined, closed: resolve }),
  );
  return { peer, client, ended, gone };
}

describe("a client's socket", () => {
  it("is ended when its peer answers no ping", async () => {
    const { gone } = await connect({ autoPong: false });
    connected[0]?.keepAlive();
    connected[0]?.keepAlive();
    await gone;
  });

  it("lives on while what it sent may be on its way, and is ended when its peer has that and answers nothing", async () => {
    const { peer, client, gone } = await connect({ autoPong: false });
    const pinged = new Promise<Buffer>((resolve) => peer.once("ping", resolve));
    client.send(Buffer.alloc(100_000));
    for (let round = 0; round < 3; round++) connected[0]?.keepAlive();
    expect(client.isOpen).toBe(true);
    peer.pong(await pinged);
    const timer = setInterval(() => connected[0]?.keepAlive(), 10);
    onTestFinished(() => clearInterval(timer));
    await gone;
  });

  it("believes no pong of bytes that it has not sent", async () => {
    const { peer, client, gone } = await connect({ autoPong: false });
    const echoed = new Promise((resolve) => peer.on("message", (data: Buffer) => data.length === 1 && resolve(data)));
    client.send(Buffer.alloc(100_000));
    for (const payload of ["900000", "-5", "x", ""]) peer.pong(payload);
    peer.send(Buffer.from("x"));
    await echoed;
    for (let round = 0; round < 3; round++) connected[0]?.keepAlive();
    expect(client.isOpen).toBe(true);
    peer.close();
    await gone;
  });

  it("lives on while its peer answers", async () => {
    const { peer, client, gone } = await connect();
    for (let round = 0; round < 3; round++) {
      const pinged = new Promise((resolve) => peer.once("ping", resolve));
      connected[0]?.keepAlive();
      await pinged;
      const echoed = new Promise((resolve) => peer.once("message", resolve));
      // What comes back was sent behind the pong, so that the server has it.
      peer.send(Buffer.from("x"));
      await echoed;
    }
    expect(client.isOpen).toBe(true);
    peer.close();
    await gone;
  });

  it("is not taken for dead while it is not being read", async () => {
    const { peer, client, gone } = await connect({ autoPong: false });
    client.pause();
    for (let round = 0; round < 3; round++) connected[0]?.keepAlive();
    expect(client.isOpen).toBe(true);
    client.resume();
    peer.close();
    await gone;
  });

  it("closes with a reason that fits, whatever its text", async () => {
    const { client, ended, gone } = await connect();
    client.close(4404, "ü".repeat(200));
    expect(await ended).toBe(4404);
    await gone;
  });
});
