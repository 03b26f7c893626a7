import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { bodyOf, listen, PreviewClient, serveBytes, serveHttp, signInSession } from "../../support/preview-client.ts";
import { startServer, type TestServer } from "../../support/server.ts";

let server: TestServer;
let id: string;
let session: Readonly<Record<string, string>>;
beforeAll(async () => {
  server = await startServer();
  ({ id } = await server.environment());
  session = await signInSession(server);
});
afterAll(async () => expect(await server?.dispose()).toEqual([]));

const open = (port: number) => PreviewClient.open(server, id, port, session);

/** Bytes as no HTTP client would send them; resolves with all that comes until the connection ends. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(server.port, "127.0.0.1");
  socket.write(bytes);
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk;
  });
  await once(socket, "close");
  return text;
}

describe("a program's own traffic", () => {
  it("passes as it is, without what is ours", async () => {
    const seen: IncomingMessage[] = [];
    const port = await serveHttp((request, response) => {
      seen.push(request);
      response.setHeader("set-cookie", [
        "a=1; Domain=localhost; Path=/x; HttpOnly",
        `microterm_preview_${server.port}=evil`,
        `MICROTERM_PREVIEW_${server.port}=evil`,
        `=microterm_preview_${server.port}=evil`,
        "b=2;domain=.localhost",
      ]);
      response.setHeader("alt-svc", 'h2="evil:443"');
      response.setHeader("clear-site-data", '"cookies"');
      response.setHeader("microterm-moved", "1");
      response.setHeader("x-own", "kept");
      response.writeHead(404, "Not Here");
      response.end(request.method === "HEAD" ? undefined : "body");
    });
    const preview = await open(port);
    const answer = await preview.call("GET", "/a%20b?c=d&c=e", {
      headers: {
        cookie: `x=1; ${preview.cookie}; y=2`,
        "x-microterm-session": "secret",
        "x-forwarded-for": "6.6.6.6",
        "x-forwarded-host": "evil",
        connection: "x-hop, close",
        "x-hop": "1",
        te: "trailers",
      },
    });
    expect([answer.status, answer.text, answer.headers["x-own"]]).toEqual([404, "body", "kept"]);
    expect(answer.headers["set-cookie"]).toEqual(["a=1; Path=/x; HttpOnly", "b=2"]);
    for (const name of ["alt-svc", "clear-site-data", "microterm-moved"]) expect(answer.headers[name]).toBeUndefined();
    const { url, headers } = seen[0] as IncomingMessage;
    expect(url).toBe("/a%20b?c=d&c=e");
    expect(headers.cookie).toBe("x=1; y=2");
    expect(headers.host).toBe(preview.host);
    expect([headers["x-forwarded-host"], headers["x-forwarded-proto"]]).toEqual([preview.host, "http"]);
    for (const name of ["x-microterm-session", "x-forwarded-for", "x-hop", "te"]) expect(headers[name]).toBeUndefined();
  });

  it("carries bodies of any size and kind both ways", async () => {
    const port = await serveHttp(async (request, response) => {
      const body = await bodyOf(request);
      response.setHeader("x-sum", createHash("sha256").update(body).digest("hex"));
      response.setHeader("x-framing", `${request.headers["content-length"]}/${request.headers["transfer-encoding"]}`);
      response.end(request.method === "DELETE" ? undefined : body);
    });
    const preview = await open(port);
    const body = randomBytes(20 * 1024 * 1024);
    const answer = await preview.call("PUT", "/", { raw: body });
    expect(answer.headers["x-sum"]).toBe(createHash("sha256").update(body).digest("hex"));
    expect(answer.bytes.equals(body)).toBe(true);
    expect(answer.headers["x-framing"]).toBe(`${body.length}/undefined`);
    // Without a length, also with a method that has none by itself.
    for (const method of ["POST", "GET", "DELETE"]) {
      const text = await raw(
        `${method} / HTTP/1.1\r\nHost: ${preview.host}\r\nCookie: ${preview.cookie}\r\nConnection: close\r\n` +
          "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
      );
      expect([method, /^x-framing: (.*)$/m.exec(text)?.[1]]).toEqual([method, "undefined/chunked"]);
      expect(text).toContain(`x-sum: ${createHash("sha256").update("abc").digest("hex")}`);
    }
    expect((await preview.call("HEAD", "/")).status).toBe(200);
  });

  it("is told of as it comes: events do not wait for an end, nor an answer for an upload's", async () => {
    const port = await serveHttp((request, response) => {
      if (request.url === "/events") {
        response.setHeader("content-type", "text/event-stream");
        response.flushHeaders();
        response.write("data: 1\n\n");
      } else {
        response.writeHead(413).end("too large");
      }
    });
    const preview = await open(port);
    const headers = { host: preview.host, cookie: preview.cookie };
    const events = httpRequest(`${server.url}/events`, { headers, agent: false }).end();
    const [answer] = (await once(events, "response")) as [IncomingMessage];
    expect(String((await once(answer, "data"))[0])).toBe("data: 1\n\n");
    events.destroy();
    const upload = httpRequest(`${server.url}/`, { method: "POST", headers, agent: false });
    upload.on("error", () => undefined);
    upload.write("the beginning");
    const [refused] = (await once(upload, "response")) as [IncomingMessage];
    upload.write("more");
    expect([refused.statusCode, String(await bodyOf(refused))]).toEqual([413, "too large"]);
    upload.destroy();
  });

  it("finds programs that listen at ::1 alone", async () => {
    const preview = await open(await serveHttp((_, response) => response.end("six"), "::1"));
    expect((await preview.call("GET", "/")).text).toBe("six");
  });

  it("may redirect for ever, which is for the browser to end", async () => {
    const port = await serveHttp((_, response) => response.writeHead(302, { location: "/again" }).end());
    const answer = await (await open(port)).call("GET", "/");
    expect([answer.status, answer.headers.location]).toEqual([302, "/again"]);
  });

  it("gets nothing below /.microterm/, however it is spelt", async () => {
    const asked: (string | undefined)[] = [];
    const port = await serveHttp((request, response) => {
      asked.push(request.url);
      response.end();
    });
    const preview = await open(port);
    const spellings = [
      "/.microterm/ticket",
      "//.microterm/x",
      "/%2emicroterm/",
      "/.%6dicroterm",
      "/a/../.microterm/",
      "/.MICROTERM/",
    ];
    for (const path of [...spellings, "/.microterm?secret=1", "/%2e/.microterm/x", "/a/%2e%2e/.microterm/x"]) {
      const text = await raw(
        `GET ${path} HTTP/1.1\r\nHost: ${preview.host}\r\nCookie: ${preview.cookie}\r\nConnection: close\r\n\r\n`,
      );
      expect([path, /^HTTP\/1\.1 (403|404) /.test(text)]).toEqual([path, true]);
    }
    expect(asked).toEqual([]);
    expect((await preview.call("GET", "/.microtermite")).status).toBe(200);
  });
});

describe("WebSockets of a preview", () => {
  const socketOf = (preview: PreviewClient, headers: Readonly<Record<string, string>> = {}) =>
    new WebSocket(`ws://127.0.0.1:${server.port}/live?x=1`, ["chat"], {
      headers: { host: preview.host, cookie: preview.cookie, origin: `http://${preview.host}`, ...headers },
    });

  it("carry messages both ways, and their end", async () => {
    const program = createServer();
    const seen: IncomingMessage[] = [];
    new WebSocketServer({ server: program }).on("connection", (socket, request) => {
      seen.push(request);
      socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
      socket.on("close", () => undefined);
    });
    const socket = socketOf(await open(await listen(program)));
    await once(socket, "open");
    const large = randomBytes(3 * 1024 * 1024);
    socket.send("text");
    expect(String((await once(socket, "message"))[0])).toBe("text");
    socket.send(large);
    expect(large.equals((await once(socket, "message"))[0] as Buffer)).toBe(true);
    expect([socket.protocol, seen[0]?.url, seen[0]?.headers.cookie]).toEqual(["chat", "/live?x=1", undefined]);
    socket.close(4321, "bye");
    expect((await once(socket, "close"))[0]).toBe(4321);
  });

  it("are not another origin's to open", async () => {
    const preview = await open(await serveHttp((_, response) => response.end()));
    for (const origin of [
      "http://evil.example",
      `http://127.0.0.1:${server.port}`,
      `http://1-${id}.localhost:${server.port}`,
    ]) {
      const socket = socketOf(preview, { origin });
      const [, answer] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage];
      expect(answer.statusCode).toBe(403);
      socket.on("error", () => undefined).terminate();
    }
  });

  it("are answered as the program answers, where it wants none", async () => {
    const program = createServer((_, response) => response.writeHead(418).end("tea"));
    const preview = await open(await listen(program));
    const socket = socketOf(preview);
    const [, answer] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage];
    expect([answer.statusCode, String(await bodyOf(answer))]).toEqual([418, "tea"]);
    const stranger = socketOf(preview, { cookie: "a=b" });
    const [, refused] = (await once(stranger, "unexpected-response")) as [unknown, IncomingMessage];
    expect(refused.statusCode).toBe(401);
    for (const one of [socket, stranger]) one.on("error", () => undefined).terminate();
  });
});

describe("hostile programs", () => {
  const bad: readonly (readonly [string, string])[] = [
    ["no HTTP", "SSH-2.0-OpenSSH_9\r\n"],
    ["nothing", ""],
    ["two framings", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"],
    ["a head without an end", `HTTP/1.1 200 OK\r\nx: ${"y".repeat(40_000)}\r\n\r\n`],
    ["a header line without a name", "HTTP/1.1 200 OK\r\n: x\r\n\r\n"],
    ["a NUL in a header", "HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n"],
    [
      "an upgrade that nobody asked for",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    ],
    ["a status that there is not", "HTTP/1.1 999 Wow\r\nContent-Length: 0\r\n\r\n"],
    ["interim answers without an end", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(5000)],
  ];
  it.each(bad)("that answer with %s are an error page", async (_name, bytes) => {
    const answer = await (await open(await serveBytes(bytes))).call("GET", "/", { headers: { accept: "text/html" } });
    expect([answer.status, answer.headers["content-type"]]).toEqual([502, "text/html; charset=utf-8"]);
    expect(answer.text).toContain("does not speak HTTP");
  });

  it("that answer wrongly in the middle of an upload leave its client a page", async () => {
    const { host, cookie } = await open(await serveBytes("no HTTP"));
    const upload = httpRequest(`${server.url}/`, { method: "POST", headers: { host, cookie }, agent: false });
    upload.on("error", () => undefined);
    upload.write("the beginning");
    const [answer] = (await once(upload, "response")) as [IncomingMessage];
    expect([answer.statusCode, String(await bodyOf(answer))]).toEqual([502, expect.stringContaining("not speak HTTP")]);
    upload.destroy();
  });

  it("that break off in the middle of a body do not make it look whole", async () => {
    const preview = await open(await serveBytes("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"));
    await expect(preview.call("GET", "/")).rejects.toThrow();
  });

  it("that say more than they announced send none of it", async () => {
    const answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
    const preview = await open(await serveBytes(`${answer}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`));
    expect((await preview.call("GET", "/")).text).toBe("abc");
  });
});

describe("hostile clients", () => {
  it("smuggle no second request past the first", async () => {
    const asked: string[] = [];
    const port = await serveHttp(async (request, response) => {
      asked.push(`${request.method} ${request.url} ${(await bodyOf(request)).length}`);
      response.end();
    });
    const { host, cookie } = await open(port);
    const head = `Host: ${host}\r\nCookie: ${cookie}\r\n`;
    const inner = `GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n`;
    const refused = [
      `POST / HTTP/1.1\r\n${head}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
      `POST / HTTP/1.1\r\n${head}Content-Length: 0\r\nContent-Length: ${inner.length}\r\n\r\n${inner}`,
      `POST / HTTP/1.1\r\n${head}Transfer-Encoding: xchunked\r\n\r\n${inner}`,
      `POST / HTTP/1.1\r\n${head}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${inner}`,
      `GET http://other/ HTTP/1.1\r\n${head}Connection: close\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: x\r\n${head}Connection: close\r\n\r\n`,
      `CONNECT ${host} HTTP/1.1\r\n${head}\r\n`,
    ];
    for (const bytes of refused) {
      const text = await raw(bytes);
      expect([bytes, /^(HTTP\/1\.1 4\d\d [\s\S]*)?$/.test(text) && !text.includes(" 200 ")]).toEqual([bytes, true]);
    }
    expect(asked).toEqual([]);
    // One that is well-formed carries whatever it likes as its body, and is one request.
    const close = "Connection: close, content-length, transfer-encoding\r\n";
    await raw(`POST /a HTTP/1.1\r\n${head}${close}Content-Length: ${inner.length}\r\n\r\n${inner}`);
    const chunk = `${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`;
    await raw(`GET /b HTTP/1.1\r\n${head}${close}Transfer-Encoding: chunked\r\n\r\n${chunk}`);
    await raw(`GET /c HTTP/1.1\r\n${head}Connection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n${inner}`);
    expect(asked).toEqual([`POST /a ${inner.length}`, `GET /b ${inner.length}`, "GET /c 0"]);
  });

  it("on another site's page may link to a preview, and do nothing else", async () => {
    const port = await serveHttp((_, response) => response.end("ok"));
    const preview = await open(port);
    const call = async (method: string, headers: Readonly<Record<string, string>>) =>
      (await preview.call(method, "/", { headers })).status;
    for (const site of ["cross-site", "same-site"]) {
      const from = { "sec-fetch-site": site };
      expect(await call("GET", { ...from, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" })).toBe(200);
      expect(await call("GET", { ...from, "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" })).toBe(403);
      expect(await call("GET", { ...from, "sec-fetch-mode": "cors", "sec-fetch-dest": "empty" })).toBe(403);
      expect(await call("POST", { ...from, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" })).toBe(403);
    }
    expect(await call("POST", { "sec-fetch-site": "same-origin", origin: "null" })).toBe(200);
    expect(await call("POST", { origin: "http://evil.example" })).toBe(403);
    expect(await call("POST", { origin: `http://${preview.host}` })).toBe(200);
    expect(await call("POST", {})).toBe(200);
  });
});
