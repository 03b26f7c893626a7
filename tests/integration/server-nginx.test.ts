import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { EVENTS_SUBPROTOCOL, EXEC_SUBPROTOCOL, FRAME, TERMINAL_SUBPROTOCOL } from "@microterm/protocol";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { makeKeyPair, type TestKeyPair } from "../../support/key-pair.ts";
import { freePort, startNginx, type TestNginx } from "../../support/nginx.ts";
import { cookieOf, listen } from "../../support/preview-client.ts";
import { type Call, exposed, poll, send, startServer, type TestServer } from "../../support/server.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";

const NGINX = "127.0.0.3";
/** The longest silence between two bytes that this nginx bears: each of the tests that wait is silent for longer. */
const IDLE_SECONDS = 5;

let folder: TempFolder;
let pair: TestKeyPair;
let nginx: TestNginx;
let server: TestServer;
let port: number;
let id: string;
let terminal: string;
let session: Readonly<Record<string, string>>;
const host = () => `term.example.org:${port}`;
const origin = () => `https://${host()}`;

beforeAll(async () => {
  folder = await makeTempFolder();
  pair = makeKeyPair(folder.path, { names: ["DNS:term.example.org", "DNS:*.previews.example.net"] });
  port = await freePort(NGINX);
  const plain = await freePort(NGINX);
  const previews = ["--preview-domain", `previews.example.net:${port}`];
  server = await startServer({
    args: ["--public-url", origin(), "--trust-proxy", "127.0.0.1", ...previews],
    command: exposed,
  });
  nginx = await startNginx(folder.path, {
    ...{ host: NGINX, port },
    replacements: {
      "listen 443 ssl": `listen ${NGINX}:${port} ssl`,
      "listen 80": `listen ${NGINX}:${plain}`,
      "/etc/microterm/fullchain.pem": pair.cert,
      "/etc/microterm/privkey.pem": pair.key,
      "127.0.0.1:7681": `127.0.0.1:${server.port}`,
      "proxy_read_timeout 660s": `proxy_read_timeout ${IDLE_SECONDS}s`,
    },
  });
  const environment = await server.environment();
  id = environment.id;
  terminal = environment.terminals[0].id;
  const { token } = await server.ok("POST", "/v1/links");
  const answer = await call("POST", "/v1/session", { body: { token }, headers: { origin: origin() } });
  session = { cookie: cookieOf(answer), "x-microterm-session": answer.json.key, origin: origin() };
});
afterAll(async () => {
  await nginx?.stop();
  const left = await server?.dispose();
  await folder?.remove();
  expect(left).toEqual([]);
});

const tls = (name: string, localAddress = "127.0.0.1") => ({
  ca: pair.ca,
  servername: name.replace(/:\d+$/, ""),
  localAddress,
});
const at = (name: string, method: string, path: string, given: Call = {}) =>
  send(`https://${NGINX}:${port}${path}`, method, {
    tls: tls(name),
    ...given,
    headers: { host: name, ...given.headers },
  });
const call = (method: string, path: string, given?: Call) => at(host(), method, path, given);

async function openSocket(path: string, protocol: string, name = host(), headers = session): Promise<WebSocket> {
  const socket = new WebSocket(`wss://${NGINX}:${port}${path}`, protocol === "" ? [] : [protocol], {
    ...tls(name),
    headers: { ...headers, host: name },
  });
  onTestFinished(() => socket.terminate());
  await once(socket, "open");
  return socket;
}

it("signs in with a cookie for TLS alone, and keeps other origins and sockets in clear out", async () => {
  expect(session.cookie).toMatch(/^__Host-microterm_session_\d+=/);
  const status = await call("GET", "/v1/host", { headers: session });
  expect([status.status, status.headers["strict-transport-security"]]).toEqual([200, "max-age=31536000"]);
  const write = { headers: { ...session, origin: "https://evil.example.org" }, body: {} };
  expect((await call("POST", "/v1/environments", write)).json.code).toBe("FORBIDDEN_ORIGIN");
  const inClear = { host: host(), "x-forwarded-proto": "http" };
  const page = await server.call("GET", "/e/1?x=y", { token: null, headers: { ...inClear, accept: "text/html" } });
  expect([page.status, page.headers.location]).toEqual([307, `${origin()}/e/1?x=y`]);
  expect((await server.call("GET", "/v1/host", { headers: inClear })).json.code).toBe("FORBIDDEN_HOST");
});

it("counts attempts to sign in for each client, by the address that nginx says", async () => {
  const attempt = (localAddress: string) =>
    call("POST", "/v1/session", {
      tls: tls(host(), localAddress),
      headers: { "x-forwarded-for": `203.0.113.${Math.floor(Math.random() * 250)}`, forwarded: "for=203.0.113.7" },
      body: { token: "0123456789abcdef" },
    });
  let last = 0;
  for (let count = 0; count < 25; count++) last = (await attempt("127.0.0.8")).status;
  expect([last, (await attempt("127.0.0.9")).status]).toEqual([429, 401]);
});

it("carries keys and output of a terminal", async () => {
  const socket = await openSocket(`/v1/environments/${id}/terminals/${terminal}/attach?from=0`, TERMINAL_SUBPROTOCOL);
  let output = "";
  socket.on("message", (data) => {
    output += (data as Buffer).toString("latin1");
  });
  await poll("the prompt", () => output.length > 0);
  socket.send(Buffer.concat([Buffer.of(FRAME.input), Buffer.from("echo $((6 * 7))-through\r")]));
  await poll("the echo", () => output.includes("42-through"));
});

it("carries an exec, and a file of 64 MiB both ways as it comes", async () => {
  const run = { command: ["sh", "-c", "cat; exit 9"], stdin: "in" };
  const exec = await call("POST", `/v1/environments/${id}/exec`, { headers: session, body: run });
  expect(exec.json).toMatchObject({ stdout: "in", exit: { code: 9 } });
  const socket = await openSocket(`/v1/environments/${id}/exec`, EXEC_SUBPROTOCOL);
  const start = { command: ["true"], tty: null };
  socket.send(Buffer.concat([Buffer.of(FRAME.start), Buffer.from(JSON.stringify(start))]));
  expect((await once(socket, "close"))[0]).toBe(1000);

  const bytes = randomBytes(64 * 1024 * 1024);
  const path = `/v1/environments/${id}/files/content?path=${encodeURIComponent(`${folder.path}/big`)}`;
  const put = await call("PUT", path, {
    raw: bytes,
    headers: { ...session, "content-type": "application/octet-stream" },
  });
  expect(put.status).toBeLessThan(300);
  const got = await call("GET", path, { headers: session });
  expect(createHash("sha256").update(got.bytes).digest("hex")).toBe(createHash("sha256").update(bytes).digest("hex"));
  // nginx says so where it has kept a part of either in a file.
  expect(nginx.log()).not.toMatch(/is buffered to a temporary file/);
});

it("carries events for longer than nginx bears silence", async () => {
  const socket = await openSocket("/v1/events", EVENTS_SUBPROTOCOL);
  const began = performance.now();
  let closed = false;
  let heard = 0;
  socket.once("close", () => {
    closed = true;
  });
  socket.on("message", () => {
    heard = performance.now() - began;
  });
  await poll("events after a while", () => closed || heard > IDLE_SECONDS * 2000);
  expect(closed).toBe(false);
});

it("gives an event stream at once", async () => {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const options = { ...tls(host()), agent: false, headers: { ...session, host: host() } };
    httpsRequest(`https://${NGINX}:${port}/v1/events`, options, resolve).once("error", reject).end();
  });
  onTestFinished(() => void response.destroy());
  expect(response.headers["content-type"]).toBe("text/event-stream");
  expect(String((await once(response, "data"))[0])).toContain(": connected");
});

it("leads names of the preview domain to programs, WebSockets too", async () => {
  const http = createServer((request, response) => response.end(JSON.stringify(request.headers)));
  const sockets = new WebSocketServer({ server: http });
  sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
  const program = await listen(http);
  const ticket = await call("POST", `/v1/environments/${id}/previews/tickets`, {
    headers: session,
    body: { port: program },
  });
  const url = new URL(ticket.json.url);
  expect(url.host).toBe(`${program}-${id}.previews.example.net:${port}`);
  const cookie = cookieOf(await at(url.host, "GET", url.pathname + url.search));
  expect(cookie).toMatch(/^__Host-microterm_preview=/);
  const page = await at(url.host, "GET", "/x", { headers: { cookie } });
  expect(page.json).toMatchObject({ host: url.host, "x-forwarded-proto": "https" });
  // What of the path through the proxies is the operator's is not the program's to see.
  for (const name of ["x-forwarded-for", "forwarded", "cookie"]) expect(page.json[name]).toBeUndefined();
  const socket = await openSocket("/", "", url.host, { cookie, origin: `https://${url.host}` });
  socket.send("back and forth");
  expect(String((await once(socket, "message"))[0])).toBe("back and forth");
});
