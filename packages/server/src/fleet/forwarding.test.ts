/** Two servers in one process, with TLS between them. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { createKeyPair, type KeyPair, toPem } from "@microterm/host";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { MOVED_HEADER } from "../http/problem.ts";
import { responseOver } from "../http/response-over.ts";
import { type Attempt, forwardRequest } from "./forward-request.ts";
import { forwardUpgrade } from "./forward-upgrade.ts";
import { type Forwarded, forwardedOf } from "./forwarded.ts";
import { createPeerConnections, type PeerConnections } from "./peer-connections.ts";
import { listenForPeers } from "./peer-listener.ts";

const IDENTITY = createKeyPair("microterm");
const FORWARDED: Forwarded = {
  ...{ address: "198.51.100.7", port: 7681, isPublic: false, preview: null, isDataFolder: false },
};
const BIG = randomBytes(8 * 1024 * 1024);

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

async function listening(server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

let peers: { number: number; address: string }[] = [];
let connections: PeerConnections | null = null;
afterEach(() => connections?.dispose());

/** A peer that answers so, and what was made of each attempt to reach it. */
async function start(handler: Handler, upgrade?: (request: IncomingMessage, socket: Socket) => void) {
  const main = createServer(handler);
  if (upgrade !== undefined) main.on("upgrade", upgrade);
  const own = { status: 0 };
  const listener = await listenForPeers({
    ...{ identity: IDENTITY, address: "127.0.0.1", port: 0, main },
    answer: (_request, response) => void response.writeHead(204).end(() => (own.status += 1)),
  });
  onTestFinished(() => listener.close());
  return { ...(await front(listener.port)), peer: listener.port, close: listener.close };
}

async function front(peerPort: number) {
  const peer = { number: 1, address: `127.0.0.1:${peerPort}` };
  peers = [peer];
  connections = createPeerConnections({ fleet: { peers: () => peers }, identity: IDENTITY });
  const own = connections;
  const became: (Attempt | string)[] = [];
  const server = createServer((request, response) => {
    forwardRequest(request, response, FORWARDED, (given) => own.request(peer, given)).then(
      (attempt) => {
        became.push(attempt);
        if (attempt === "again") response.writeHead(599).end();
      },
      (error: { code: string }) => {
        became.push(error.code);
        response.writeHead(503).end();
      },
    );
  });
  server.on("upgrade", (request, socket, head) => {
    const response = () => responseOver(request, socket);
    const toPeer = (given: Parameters<PeerConnections["request"]>[1]) => own.request(peer, given);
    forwardUpgrade({ request, socket, head, response }, FORWARDED, toPeer).then(
      (relay) => became.push(relay === null ? "refused" : relay === "again" ? relay : "relayed"),
      (error: Error) => became.push(error.message),
    );
  });
  const port = await listening(server);
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port, became };
}

async function ask(port: number, method = "GET", body?: Buffer, path = "/") {
  const headers = body === undefined ? {} : { "content-length": body.length };
  const request = httpRequest({ host: "127.0.0.1", port, method, path, headers, agent: false });
  // What is not wanted of a body is cut off.
  request.on("error", () => undefined);
  request.end(body);
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(await answer.toArray()) };
}

describe("a request that is forwarded", () => {
  it("arrives whole, and its answer, over a connection that is kept", async () => {
    const sockets = new Set<unknown>();
    const { port, became } = await start(async (request, response) => {
      sockets.add(request.socket);
      if (request.method === "PUT") response.writeContinue();
      const body = Buffer.concat(await request.toArray());
      const { expect: _expect, ...headers } = request.headers;
      response.writeHead(201, { "x-method": `${request.method} ${request.url}`, "set-cookie": ["a=1", "b=2"] });
      response.end(body.length > 0 ? body : JSON.stringify({ ...headers, ...forwardedOf(request) }));
    });
    const put = await ask(port, "PUT", BIG, "/a?b=%20");
    expect(put).toMatchObject({ status: 201, headers: { "x-method": "PUT /a?b=%20", "set-cookie": ["a=1", "b=2"] } });
    expect(put.body.equals(BIG)).toBe(true);
    const got = JSON.parse(String((await ask(port)).body));
    expect(got).toMatchObject({ address: "198.51.100.7", host: `127.0.0.1:${port}`, connection: "keep-alive" });
    expect(sockets.size).toBe(1);
    expect(became).toEqual(["answered", "answered"]);
  });

  it("sends no body to who has not said that it takes it, and answers what it says instead", async () => {
    const bodies: Buffer[] = [];
    const { port, became } = await start((request, response) => {
      request.on("data", (chunk: Buffer) => bodies.push(chunk));
      response.writeHead(request.url === "/moved" ? 503 : 413, request.url === "/moved" ? { [MOVED_HEADER]: "1" } : {});
      response.end("no");
    });
    expect(await ask(port, "PUT", BIG)).toMatchObject({ status: 413, body: Buffer.from("no") });
    expect((await ask(port, "PUT", BIG, "/moved")).status).toBe(599);
    expect(bodies).toEqual([]);
    expect(became).toEqual(["answered", "again"]);
  });

  it.each(["GET", "POST"])(
    "that a peer has not answered when it ends (%s) is done again only where nothing is changed",
    async (method) => {
      const { port, became } = await start((request) => void request.socket.destroy());
      expect((await ask(port, method)).status).toBe(method === "GET" ? 599 : 503);
      expect(became).toEqual([method === "GET" ? "again" : "SERVER_LOST"]);
    },
  );

  it("of which nothing was sent is done again, whatever it is", async () => {
    const refused = createTcpServer();
    const nobody = await listening(refused);
    refused.close();
    const { port, became } = await front(nobody);
    expect((await ask(port, "POST", BIG)).status).toBe(599);
    expect(became).toEqual(["again"]);
  });

  it("ends with its client, and its answer with the peer", async () => {
    const ended = vi.fn();
    const { port, peer, close } = await start((request, response) => {
      response.once("close", ended);
      response.writeHead(200).write("first");
      if (request.url === "/slow") response.write(Buffer.alloc(1024));
    });
    expect(peer).toBeGreaterThan(0);
    const left = connect(port, "127.0.0.1");
    left.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    await once(left, "data");
    left.destroy();
    await vi.waitFor(() => expect(ended).toHaveBeenCalledTimes(1));
    const cut = connect(port, "127.0.0.1");
    cut.on("error", () => undefined);
    cut.write("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n");
    await once(cut, "data");
    close();
    cut.resume();
    await once(cut, "close");
  });

  it("waits for a client that does not read, and for a peer that does not", async () => {
    let sent = 0;
    const { port } = await start((_request, response) => {
      response.writeHead(200);
      const more = (): void => {
        while (response.write(BIG.subarray(0, 65_536))) sent += 65_536;
        sent += 65_536;
      };
      response.on("drain", more);
      more();
    });
    const client = connect(port, "127.0.0.1");
    client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    client.pause();
    let before = -1;
    while (before !== sent) {
      before = sent;
      await delay(200);
    }
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    client.destroy();
  });

  it("to a peer that is gone ends at once, also one that would wait for ever", async () => {
    const arrived = Promise.withResolvers<void>();
    const { port, became } = await start(() => arrived.resolve());
    const asked = ask(port);
    await arrived.promise;
    peers = [];
    expect((await asked).status).toBe(599);
    expect(became).toEqual(["again"]);
  });
});

describe("a WebSocket that is forwarded", () => {
  async function open(port: number): Promise<Socket> {
    const client = connect(port, "127.0.0.1");
    client.write("GET /x HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\nearly");
    await once(client, "readable");
    return client;
  }

  it("is bytes both ways, from the first one on, and ends on both sides", async () => {
    const closed = vi.fn();
    const { port } = await start(
      () => undefined,
      (request, socket) => {
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nupgrade: ${request.headers.upgrade}\r\nconnection: upgrade\r\nx-a: b\r\n\r\nhello `,
        );
        socket.on("data", (bytes: Buffer) => socket.write(bytes));
        socket.once("close", closed);
      },
    );
    const client = await open(port);
    let text = "";
    client.on("data", (bytes: Buffer) => (text += bytes.toString("latin1")));
    await vi.waitFor(() => expect(text).toContain("\r\nx-a: b\r\n\r\nhello early"));
    client.write("more");
    await vi.waitFor(() => expect(text).toContain("hello earlymore"));
    client.destroy();
    await vi.waitFor(() => expect(closed).toHaveBeenCalled());
  });

  it("has its last bytes when the peer ends it, and what it was refused with", async () => {
    const { port, became } = await start(
      () => undefined,
      (request, socket) => {
        const isFirst = request.headers.upgrade === "websocket" && became.length === 0;
        if (isFirst)
          socket.end(
            Buffer.concat([Buffer.from("HTTP/1.1 101 S\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"), BIG]),
          );
        else socket.end("HTTP/1.1 404 No\r\ncontent-length: 3\r\nconnection: close\r\n\r\nwhy");
      },
    );
    const all = Buffer.concat(await (await open(port)).toArray());
    expect(all.subarray(-BIG.length).equals(BIG)).toBe(true);
    const refused = String(Buffer.concat(await (await open(port)).toArray()));
    expect(refused).toMatch(/^HTTP\/1.1 404 No\r\n[\s\S]*\r\n\r\nwhy$/);
    expect(became).toEqual(["relayed", "refused"]);
  });
});

describe("a client that is gone by then", () => {
  it("is forwarded nothing, neither a request nor a WebSocket", async () => {
    const handler = vi.fn<Handler>((_request, response) => void response.end());
    const upgraded = vi.fn((_request: IncomingMessage, socket: Socket) => void socket.destroy());
    const { peer } = await start(handler, upgraded);
    const own = connections as PeerConnections;
    const toPeer = (options: object) => own.request({ number: 1, address: `127.0.0.1:${peer}` }, options);
    const late = Promise.withResolvers<readonly [IncomingMessage, ServerResponse]>();
    const entry = createServer((request, response) => {
      response.once("close", () => late.resolve([request, response]));
    });
    const client = connect(await listening(entry), "127.0.0.1");
    onTestFinished(() => void entry.close());
    client.write("POST / HTTP/1.1\r\nhost: a\r\n\r\n");
    await once(entry, "request");
    client.destroy();
    const [request, response] = await late.promise;
    expect(await forwardRequest(request, response, FORWARDED, toPeer)).toBe("answered");
    const socket = request.socket;
    const upgrade = { request, socket, head: Buffer.alloc(0), response: () => response };
    expect(await forwardUpgrade(upgrade, FORWARDED, toPeer)).toBeNull();
    expect([handler.mock.calls.length, upgraded.mock.calls.length]).toEqual([0, 0]);
  });

  it("ends the peer's side, where that agrees to a WebSocket only then", async () => {
    const agree = Promise.withResolvers<void>();
    const closed = vi.fn();
    const asked = Promise.withResolvers<void>();
    const { port } = await start(
      () => undefined,
      (_request, socket) => {
        socket.once("close", closed);
        socket.on("error", () => undefined);
        asked.resolve();
        void agree.promise.then(() =>
          socket.write("HTTP/1.1 101 S\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"),
        );
      },
    );
    const client = connect(port, "127.0.0.1");
    client.write("GET /x HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n");
    await asked.promise;
    client.destroy();
    agree.resolve();
    await vi.waitFor(() => expect(closed).toHaveBeenCalled());
  });
});

describe("the listener for peers", () => {
  const knock = (port: number, keys: KeyPair | null) =>
    new Promise<string>((resolve) => {
      const pair =
        keys === null ? {} : { key: toPem("PRIVATE KEY", keys.key), cert: toPem("CERTIFICATE", keys.certificate) };
      const socket = connectTls({ host: "127.0.0.1", port, ...pair, rejectUnauthorized: false }, () =>
        socket.write(
          `GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nmicroterm-forwarded: ${JSON.stringify(FORWARDED)}\r\n\r\n`,
        ),
      );
      let text = "";
      socket.on("data", (bytes) => (text += String(bytes)));
      socket.on("error", () => undefined);
      socket.once("close", () => resolve(text));
    });

  it("answers who has the installation's key, and nobody else", async () => {
    const { peer } = await start((_request, response) => void response.end("in"));
    expect(await knock(peer, IDENTITY)).toContain("in");
    expect(await knock(peer, createKeyPair("microterm"))).toBe("");
    expect(await knock(peer, null)).toBe("");
  });

  it("takes what a newer peer says more", async () => {
    const { peer } = await start((request, response) => void response.end(JSON.stringify(forwardedOf(request))));
    const header = JSON.stringify({ ...FORWARDED, more: 1 });
    const place = { number: 1, address: `127.0.0.1:${peer}` };
    const request = connections?.request(place, { headers: ["host", "a", "microterm-forwarded", header] });
    const [answer] = (await once(request?.end() as NonNullable<typeof request>, "response")) as [IncomingMessage];
    expect(JSON.parse(String(Buffer.concat(await answer.toArray())))).toEqual(FORWARDED);
  });

  it("does not take what says something else of itself than a peer does", async () => {
    const handler = vi.fn<Handler>((_request, response) => void response.end("in"));
    const { peer } = await start(handler);
    const [own] = [connections];
    for (const header of ["{", "{}", JSON.stringify({ ...FORWARDED, address: "x" })]) {
      const request = own?.request(
        { number: 1, address: `127.0.0.1:${peer}` },
        { headers: ["host", "a", "microterm-forwarded", header] },
      );
      const [error] = (await once(request?.end() as NonNullable<typeof request>, "error").catch((thrown) => [
        thrown,
      ])) as [Error];
      expect(error).toBeInstanceOf(Error);
    }
    expect(handler).not.toHaveBeenCalled();
  });
});
