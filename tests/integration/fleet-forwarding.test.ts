/** What concerns an environment of one server, asked of another. */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import { join } from "node:path";
import { readProcess } from "@microterm/host";
import { CONNECT_SUBPROTOCOL, PORTS_SUBPROTOCOL } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { openFleet, type TestFleet } from "../../support/fleet.ts";
import { bodyOf, listen, PreviewClient, serveHttp, signInSession } from "../../support/preview-client.ts";
import { poll, type TestServer } from "../../support/server.ts";
import { accept, codeOf, look, openTerminal, share } from "../../support/sharing.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";
import { TerminalClient } from "../../support/terminal-client.ts";

const CAT = "stty raw -echo; printf ready; exec cat";

let fleet: TestFleet;
/** Of the test and of the programs in its environment alike. */
let folder: TempFolder;
let a: TestServer;
let b: TestServer;
/** Held by A. */
let id: string;
let terminal: string;
beforeAll(async () => {
  fleet = await openFleet();
  folder = await makeTempFolder();
  a = await fleet.start();
  b = await fleet.start();
  const made = await a.environment("held");
  id = made.id;
  terminal = made.terminals[0].id;
});
afterAll(async () => {
  expect(await fleet?.dispose()).toEqual([]);
  await folder?.remove();
});

describe("the other server", () => {
  it("lists an environment as its holder does, shows it, and tells of its changes", async () => {
    const [{ environments: held }, { environments: seen }] = [
      await a.ok("GET", "/v1/environments"),
      await b.ok("GET", "/v1/environments"),
    ];
    expect(seen).toEqual(held);
    expect(seen[0].terminals).toHaveLength(1);
    expect(await b.ok("GET", "/v1/environments/held")).toEqual(await a.ok("GET", `/v1/environments/${id}`));
    const events = httpRequest(`${b.url}/v1/events`, { headers: { authorization: `Bearer ${b.token}` } }).end();
    const [stream] = await once(events, "response");
    let text = "";
    stream.on("data", (chunk: Buffer) => (text += chunk));
    await poll("the environment", () => text.includes(`"id":"${id}"`));
    const opened = await openTerminal(a, id);
    await poll("the new terminal", () => text.includes(opened));
    await b.ok("DELETE", `/v1/environments/${id}/terminals/${opened}`);
    events.destroy();
    expect((await a.ok("GET", `/v1/environments/${id}`)).terminals).toHaveLength(1);
  });

  it("types into its terminal, and has its output at the same byte", async () => {
    const echo = await openTerminal(b, id, CAT);
    const [held, seen] = [new TerminalClient(a, id, echo), new TerminalClient(b, "held", echo)];
    await Promise.all([held.until("ready"), seen.until("ready")]);
    seen.type("by the peer, ");
    await held.until("by the peer, ");
    held.type("by the holder");
    await seen.until("by the holder");
    expect(seen.text).toBe(held.text);
    expect([seen.offset, seen.jumps, held.jumps]).toEqual([held.offset, [], []]);
    const later = new TerminalClient(b, id, echo, { from: 5 });
    await later.until("by the holder");
    expect(later.text).toBe(held.text.slice(5));
    for (const client of [held, seen, later]) await client.close();
  });

  it("runs programs, waits, and refuses as the holder does", async () => {
    const ran = await b.ok("POST", `/v1/environments/${id}/exec`, {
      command: ["sh", "-c", "cat; exit 3"],
      stdin: "in",
    });
    expect(ran).toMatchObject({ exit: { code: 3 }, stdout: "in" });
    expect((await b.ok("GET", `/v1/environments/${id}/wait?state=running`)).id).toBe(id);
    const late = await b.call("GET", `/v1/environments/${id}/wait?state=stopped&timeoutMs=50`);
    expect([late.status, late.json.code]).toEqual([408, "WAIT_TIMEOUT"]);
    const bad = await b.call("POST", `/v1/environments/${id}/exec`, { body: { command: 1 } });
    expect([bad.status, bad.json.code]).toEqual([400, "BAD_REQUEST"]);
    const unknown = await b.call("GET", "/v1/environments/unknown");
    expect([unknown.status, unknown.json.code]).toEqual([404, "ENVIRONMENT_NOT_FOUND"]);
    const refused = new TerminalClient(b, id, "nothere");
    expect((await refused.ended).code).toBe(404);
  });

  it("has a program end whose client has left", async () => {
    const { path } = folder;
    const request = httpRequest(`${b.url}/v1/environments/${id}/exec`, {
      method: "POST",
      headers: { authorization: `Bearer ${b.token}`, "content-type": "application/json" },
    });
    request.on("error", () => undefined);
    request.end(JSON.stringify({ command: ["sh", "-c", `echo $$ >${path}/pid; exec sleep 1000`] }));
    await poll("the program", () => existsSync(join(path, "pid")) && readFileSync(join(path, "pid"), "utf8") !== "");
    const pid = Number(readFileSync(join(path, "pid"), "utf8"));
    request.destroy();
    await poll("its end", async () => (await readProcess(pid)) === null);
  });

  it("sends files of any size there, and has them back", async () => {
    const bytes = randomBytes(64 * 1024 * 1024);
    const path = join(folder.path, "big");
    const headers = { "content-type": "application/octet-stream" };
    const query = `/v1/environments/${id}/files/content?path=${encodeURIComponent(path)}`;
    const put = await b.call("PUT", query, { raw: bytes, headers });
    expect([put.status, put.json.size]).toEqual([201, bytes.length]);
    const got = await b.call("GET", query);
    expect(got.headers["content-length"]).toBe(`${bytes.length}`);
    expect(hashOf(got.bytes)).toBe(hashOf(bytes));
    const refused = await b.call("PUT", query.replace("path=", "path=/nothere"), { raw: bytes, headers });
    expect(refused.status).toBeGreaterThanOrEqual(400);
    await a.ok("DELETE", query.replace("/content", ""));
  });

  it("reaches its ports: a preview, a WebSocket of it, a tunnel, the list", async () => {
    const port = await serveHttp(async (request, response) => {
      const { "x-forwarded-host": host } = request.headers;
      response.end(JSON.stringify({ host, body: String(await bodyOf(request)) }));
    });
    const preview = await PreviewClient.open(b, id, port, await signInSession(b));
    const answer = await preview.call("POST", "/x", { raw: "sent" });
    expect(answer.json).toEqual({ host: preview.host, body: "sent" });
    const server = new WebSocketServer({ noServer: true });
    const upgrading = createServer().on("upgrade", (request, socket, head) =>
      server.handleUpgrade(request, socket, head, (socket) => socket.on("message", (data) => socket.send(data))),
    );
    const second = await listen(upgrading);
    const other = await PreviewClient.open(b, id, second, await signInSession(b));
    const socket = new WebSocket(`${b.url.replace("http", "ws")}/`, {
      headers: { host: other.host, cookie: other.cookie },
    });
    await once(socket, "open");
    socket.send("echo");
    expect(String((await once(socket, "message"))[0])).toBe("echo");
    socket.close(1000, "bye");
    await once(socket, "close");
    const tunnel = open(b, `/v1/environments/${id}/ports/${port}/connect`, CONNECT_SUBPROTOCOL);
    await once(tunnel, "message");
    tunnel.send(Buffer.from("GET /y HTTP/1.0\r\n\r\n"));
    const chunks: Buffer[] = [];
    tunnel.on("message", (data: Buffer) => chunks.push(data));
    await poll("an answer", () => String(Buffer.concat(chunks)).includes('{"body":""}'));
    tunnel.close();
    const ports = open(b, `/v1/environments/${id}/ports`, PORTS_SUBPROTOCOL);
    expect(JSON.parse(String((await once(ports, "message"))[0])).event).toBe("ports");
    ports.close();
    expect((await b.ok("GET", `/v1/environments/${id}/ports`)).previews).toEqual({ kind: "localhost" });
  });

  it("opens what is shared of it, for who has no account", async () => {
    const shared = await openTerminal(a, id, CAT);
    const made = await share(b, id, shared, { withoutAccount: true });
    const titled = await new TerminalClient(a, id, shared).opened();
    titled.type("\x1b]0;the title\x07");
    await poll("its title", async () => {
      const { title } = (await b.call("POST", "/v1/shares/look", { token: null, body: { code: codeOf(made) } })).json;
      return title === "the title";
    });
    await titled.close();
    const guest = look(b, await accept(b, codeOf(made), { name: "guest" }));
    await guest.opened();
    const owner = await new TerminalClient(a, id, shared).opened();
    owner.type("shown");
    await guest.until("shown");
    await a.ok("DELETE", `/v1/environments/${id}/shares/${made.id}`);
    expect((await guest.ended).code).toBe(4401);
    await owner.close();
  });
});

describe("what is revoked at one server", () => {
  it("closes what it has opened through the other", async () => {
    const session = await signInSession(a);
    const call = { token: null, headers: session, body: { name: "t", scopes: ["exec", "environments:read"] } };
    const { token, id: tokenId } = (await a.call("POST", "/v1/account/tokens", call)).json;
    const client = await new TerminalClient({ url: b.url, token }, id, terminal).opened();
    const asked = b.call("GET", `/v1/environments/${id}/wait?state=stopped&timeoutMs=60000`, { token });
    // By whichever server hears of it first it is broken off, or asked of the other one again and refused.
    const waiting = asked.then(
      ({ status }) => status,
      () => 401,
    );
    await a.call("DELETE", `/v1/account/tokens/${tokenId}`, { token: null, headers: session });
    expect(await client.ended).toMatchObject({ code: 4401 });
    expect(await waiting).toBe(401);
  });
});

it("the peer listener answers nobody without the key, and others believe no header of it", async () => {
  const forwarded = JSON.stringify({
    address: "203.0.113.9",
    port: 1,
    isPublic: true,
    preview: null,
    isDataFolder: true,
  });
  const asked = await b.call("GET", "/v1/environments", { token: null, headers: { "microterm-forwarded": forwarded } });
  expect(asked.status).toBe(401);
  const held = await b.call("GET", `/v1/environments/${id}`, { headers: { "microterm-forwarded": forwarded } });
  expect(held.status).toBe(200);
  const log = readFileSync(join(a.data, "server/server.log"), "utf8");
  expect(log).not.toContain("203.0.113.9");
});

const hashOf = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

function open(server: TestServer, path: string, protocol: string): WebSocket {
  const headers = { authorization: `Bearer ${server.token}` };
  return new WebSocket(`${server.url.replace("http", "ws")}${path}`, [protocol], { headers });
}
