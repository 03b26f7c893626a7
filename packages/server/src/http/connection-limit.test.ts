import { once } from "node:events";
import { createServer, get, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createClientAddresses } from "../listen/client-address.ts";
import { type ConnectionLimit, createConnectionLimit } from "./connection-limit.ts";

let server: Server;
let limit: ConnectionLimit;
/** Requests that nobody has answered. */
let waiting: IncomingMessage[];
const sockets: Socket[] = [];

function start(options: Partial<Parameters<typeof createConnectionLimit>[0]>) {
  limit = createConnectionLimit({
    ...{ clients: createClientAddresses([]), mostOfAClient: 3, mostAtOnce: 5, graceMs: 0 },
    ...options,
  });
  limit.watch(server);
  limit.watchRequests(server);
}

beforeEach(async () => {
  waiting = [];
  server = createServer((request) => void waiting.push(request)).listen(0, "0.0.0.0");
  await once(server, "listening");
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server.closeAllConnections();
  server.close();
});

const port = () => (server.address() as AddressInfo).port;

/** A connection of a client at that address of the loopback network. */
async function join(localAddress: string): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port: port(), localAddress });
  sockets.push(socket);
  socket.on("error", () => undefined).resume();
  await Promise.all([once(socket, "connect"), once(server, "connection")]);
  return socket;
}

/** A proxy's request for a client. Its status; 0: its connection was closed. */
function forward(client: string): { readonly status: Promise<number> } {
  const headers = { "x-forwarded-for": client };
  const status = new Promise<number>((resolve) => {
    get({ host: "127.0.0.1", port: port(), agent: false, headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    }).once("error", () => resolve(0));
  });
  return { status };
}

describe("connections without a credential", () => {
  it("are few for each client, and the oldest ones go", async () => {
    start({ mostAtOnce: 100 });
    const others = [await join("127.0.0.3"), await join("127.0.0.3")];
    const many: Socket[] = [];
    for (let count = 0; count < 6; count++) many.push(await join("127.0.0.2"));
    await vi.waitUntil(() => many.slice(0, 3).every((one) => one.closed));
    expect([...many.slice(3), ...others].map((one) => one.closed)).toEqual([false, false, false, false, false]);
  });

  it("of all clients together are those of the one with the most of them", async () => {
    start({ mostOfAClient: 100 });
    const first = await join("127.0.0.3");
    const many: Socket[] = [];
    for (let count = 0; count < 6; count++) many.push(await join("127.0.0.2"));
    await vi.waitUntil(() => many.slice(0, 2).every((one) => one.closed));
    expect([first, ...many.slice(2)].map((one) => one.closed)).toEqual([false, false, false, false, false]);
  });

  it("have a while to show one", async () => {
    start({ mostAtOnce: 100, graceMs: 60_000 });
    const many: Socket[] = [];
    for (let count = 0; count < 6; count++) many.push(await join("127.0.0.2"));
    expect(many.map((one) => one.closed)).toEqual(many.map(() => false));
  });
});

describe("a proxy's connections", () => {
  it("are counted for the clients of their requests, until these are trusted or over", async () => {
    start({ clients: createClientAddresses(["127.0.0.1"]), mostAtOnce: 100 });
    const trusted = forward("203.0.113.9");
    await vi.waitUntil(() => waiting.length === 1);
    for (const request of waiting) limit.trust(request);
    const other = forward("198.51.100.1");
    await vi.waitUntil(() => waiting.length === 2);
    const many: ReturnType<typeof forward>[] = [];
    for (let count = 0; count < 5; count++) {
      many.push(forward("203.0.113.9"));
      await vi.waitUntil(() => waiting.length === 3 + count);
    }
    expect(await Promise.all(many.slice(0, 2).map(({ status }) => status))).toEqual([0, 0]);
    expect(waiting.map(({ socket }) => socket.destroyed)).toEqual([false, false, true, true, false, false, false]);
    server.closeAllConnections();
    expect(await Promise.all([trusted, other, ...many].map(({ status }) => status))).toEqual(waiting.map(() => 0));
  });

  it("are bounded between requests by what all may have", async () => {
    start({ clients: createClientAddresses(["127.0.0.1"]), mostOfAClient: 1 });
    const many: Socket[] = [];
    for (let count = 0; count < 7; count++) many.push(await join("127.0.0.1"));
    await vi.waitUntil(() => many.slice(0, 2).every((one) => one.closed));
    expect(many.slice(2).map((one) => one.closed)).toEqual([false, false, false, false, false]);
  });
});
