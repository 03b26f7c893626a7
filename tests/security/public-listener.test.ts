/** Strangers on the network, who speak to a server beyond its host in ways that no browser does. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeKeyPair, type TestKeyPair } from "../../support/key-pair.ts";
import { exposed, poll, startServer, type TestServer } from "../../support/server.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";

const HOST = "term.example.org";
const PROXY = "127.0.0.4";

let folder: TempFolder;
let pair: TestKeyPair;
/** One with TLS of its own, one for proxies. */
let servers: { readonly own: TestServer; readonly proxied: TestServer };
const sockets = new Set<Socket>();

beforeAll(async () => {
  folder = await makeTempFolder();
  pair = makeKeyPair(folder.path, { names: [`DNS:${HOST}`] });
  const shared = ["--public-url", `https://${HOST}`, "--listen", "127.0.0.2:0"];
  const own = await startServer({
    args: [...shared, "--tls-cert", pair.cert, "--tls-key", pair.key],
    command: exposed,
  });
  const proxied = await startServer({ args: [...shared, "--trust-proxy", PROXY], command: exposed });
  servers = { own, proxied };
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  const left = [...((await servers?.own.dispose()) ?? []), ...((await servers?.proxied.dispose()) ?? [])];
  await folder?.remove();
  expect(left).toEqual([]);
});

function portOf({ data }: TestServer): number {
  const { exposure } = JSON.parse(readFileSync(join(data, "server/server.json"), "utf8"));
  return Number(new URL(`http://${exposure.listen}`).port);
}

/** TCP alone, from an address of the loopback network. */
function joinTcp(server: TestServer, localAddress = "127.0.0.1"): Socket {
  const socket = connect({ host: "127.0.0.2", port: portOf(server), localAddress });
  sockets.add(socket.on("error", () => undefined));
  return socket;
}

async function joinTls(localAddress = "127.0.0.1"): Promise<Socket> {
  const options = { host: "127.0.0.2", port: portOf(servers.own), localAddress, ca: pair.ca, servername: HOST };
  const socket = connectTls(options);
  sockets.add(socket.on("error", () => undefined));
  await once(socket, "secureConnect");
  return socket;
}

/** All that comes until the connection ends. */
async function heard(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
  });
  await new Promise((resolve) => socket.once("close", resolve));
  return text;
}

/** Sends one byte of `text` a second, and nothing else. */
function drip(socket: Socket, text: string): void {
  let at = 0;
  const timer = setInterval(() => socket.write(text[at++ % text.length] ?? " "), 1000);
  socket.once("close", () => clearInterval(timer));
}

const status = (answer: string): string => /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? "none";
const head = (lines: readonly string[]): string => `${lines.join("\r\n")}\r\n\r\n`;

describe("a listener with TLS", () => {
  it.each(["TLSv1", "TLSv1.1"] as const)("does not speak %s", async (version) => {
    const ciphers = "DEFAULT@SECLEVEL=0";
    const options = { host: "127.0.0.2", port: portOf(servers.own), ca: pair.ca, servername: HOST, ciphers };
    const socket = connectTls({ ...options, minVersion: version, maxVersion: version });
    const outcome = new Promise((resolve) => {
      socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code));
      socket.once("secureConnect", () => resolve("connected"));
    });
    expect(await outcome).toMatch(/ERR_SSL_|ECONNRESET/);
    socket.destroy();
  });

  it("says nothing to who speaks HTTP, or anything else, in clear", async () => {
    for (const bytes of [head(["GET / HTTP/1.1", `Host: ${HOST}`]), "\0".repeat(1000), "SSH-2.0-x\r\n"]) {
      const socket = joinTcp(servers.own);
      socket.write(bytes);
      expect(await heard(socket)).not.toMatch(/HTTP|microterm/);
    }
  });

  it.each([
    ["two lengths", ["POST /v1/session HTTP/1.1", `Host: ${HOST}`, "Content-Length: 3", "Content-Length: 4"]],
    ["a length and chunks", ["POST / HTTP/1.1", `Host: ${HOST}`, "Content-Length: 3", "Transfer-Encoding: chunked"]],
    ["two hosts", ["GET /healthz HTTP/1.1", `Host: ${HOST}`, "Host: evil.example.org"]],
    ["no host", ["GET /healthz HTTP/1.1"]],
    ["a line that begins with a space", ["GET /healthz HTTP/1.1", `Host: ${HOST}`, " folded: x"]],
    ["a head of 64 KiB", ["GET /healthz HTTP/1.1", `Host: ${HOST}`, `X: ${"x".repeat(65_536)}`]],
    ["an absolute address of another host", [`GET http://evil.example.org/v1/host HTTP/1.1`, `Host: evil.example.org`]],
  ])("answers %s with an error", async (_what, lines) => {
    const socket = await joinTls();
    socket.write(head([...lines, "Connection: close"]));
    expect(status(await heard(socket))).toMatch(/^4\d\d$/);
  });

  it("does not believe what a client says of its address and scheme", async () => {
    const socket = await joinTls();
    const claims = ["X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "Forwarded: for=127.0.0.1;proto=http"];
    socket.write(head(["GET /healthz HTTP/1.1", `Host: ${HOST}`, "Accept: text/html", ...claims, "Connection: close"]));
    expect(status(await heard(socket))).toBe("200");
  });
});

describe.concurrent("who keeps a connection for nothing", () => {
  it("is sent away while it shakes hands", async () => {
    const silent = joinTcp(servers.own);
    expect(await heard(silent)).toBe("");
  });

  it("is sent away while it sends a head byte by byte", async () => {
    const socket = await joinTls();
    socket.write(`GET / HTTP/1.1\r\nHost: ${HOST}\r\nX: `);
    drip(socket, "x");
    expect(status(await heard(socket))).toMatch(/408|none/);
  });

  it("is sent away while it sends the body of a sign-in byte by byte", async () => {
    const socket = await joinTls();
    const lines = [
      "POST /v1/session HTTP/1.1",
      `Host: ${HOST}`,
      "Content-Type: application/json",
      "Content-Length: 999",
    ];
    socket.write(head(lines));
    drip(socket, " ");
    expect(status(await heard(socket))).toBe("none");
  });

  it("is sent away while it sends a body that was refused", async () => {
    const socket = await joinTls();
    const lines = [
      "POST /v1/environments HTTP/1.1",
      `Host: ${HOST}`,
      "Content-Type: text/plain",
      "Content-Length: 999999",
    ];
    socket.write(head(lines));
    drip(socket, "x");
    expect(status(await heard(socket))).toMatch(/^4\d\d$/);
  });

  it("loses connections of its own, and nobody else's", async () => {
    const other = await joinTls("127.0.0.6");
    const many = Array.from({ length: 200 }, () => joinTcp(servers.own, "127.0.0.5"));
    await poll("the first of many to be closed", () => many.filter((one) => one.closed).length >= 60);
    expect(other.closed).toBe(false);
    other.write(head(["GET /healthz HTTP/1.1", `Host: ${HOST}`, "Connection: close"]));
    expect(status(await heard(other))).toBe("200");
    for (const one of many) one.destroy();
  });
});

describe("a listener for proxies", () => {
  const request = head(["GET /healthz HTTP/1.1", `Host: ${HOST}`, "Connection: close"]);

  it("speaks to them, and to nobody else", async () => {
    const proxy = joinTcp(servers.proxied, PROXY);
    proxy.write(request);
    expect(status(await heard(proxy))).toBe("200");
    for (const address of ["127.0.0.1", "127.0.0.5"]) {
      const stranger = joinTcp(servers.proxied, address);
      stranger.write(request);
      expect(await heard(stranger)).toBe("");
    }
  });

  it("does not answer to the names of the host's own listener", async () => {
    for (const host of [`127.0.0.1:${servers.proxied.port}`, `localhost:${servers.proxied.port}`]) {
      const proxy = joinTcp(servers.proxied, PROXY);
      proxy.write(head(["GET /healthz HTTP/1.1", `Host: ${host}`, "Connection: close"]));
      expect(status(await heard(proxy))).toBe("421");
    }
  });
});
