import { get, type IncomingMessage } from "node:http";
import { Environment, EVENTS_SUBPROTOCOL } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { addOwner } from "../../support/second-owner.ts";
import { poll, startServer, type TestServer } from "../../support/server.ts";

let server: TestServer;
let owners = 0;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

interface Listener {
  /** `environment NAME STATE` and `removed ID`, in order. */
  readonly events: string[];
  /** With a WebSocket's close code. */
  readonly ended: Promise<number | null>;
}

function wordsOf(event: string, data: unknown): string {
  if (event === "removed") return `removed ${(data as { id: string }).id}`;
  const { name, state } = Environment.parse(data);
  return `environment ${name} ${state}`;
}

function openSocket(headers: Readonly<Record<string, string>>): WebSocket {
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/v1/events`, EVENTS_SUBPROTOCOL, { headers });
  socket.on("error", () => undefined);
  onTestFinished(() => socket.terminate());
  return socket;
}

async function listenBySocket(token = server.token): Promise<Listener> {
  const socket = openSocket({ authorization: `Bearer ${token}` });
  const events: string[] = [];
  socket.on("message", (message, isBinary) => {
    expect(isBinary).toBe(false);
    const { event, data } = JSON.parse(String(message));
    if (event !== "alive") events.push(wordsOf(event, data));
  });
  const ended = new Promise<number>((resolve) => socket.once("close", resolve));
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  return { events, ended };
}

async function listenByStream(token = server.token): Promise<Listener> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = get(
      `${server.url}/v1/events`,
      { agent: false, headers: { authorization: `Bearer ${token}` } },
      resolve,
    );
    request.once("error", reject);
  });
  onTestFinished(() => {
    response.destroy();
  });
  expect(response.headers["content-type"]).toMatch(/^text\/event-stream/);
  const events: string[] = [];
  let rest = "";
  response.setEncoding("utf8").on("data", (chunk: string) => {
    const messages = (rest + chunk).split("\n\n");
    rest = messages.pop() ?? "";
    for (const message of messages) {
      const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(message) ?? [];
      if (event !== undefined) events.push(wordsOf(event, JSON.parse(data ?? "")));
    }
  });
  response.on("error", () => undefined);
  return { events, ended: new Promise((resolve) => response.once("close", () => resolve(null))) };
}

describe.each([
  ["stream", listenByStream],
  ["WebSocket", listenBySocket],
])("events by %s", (_kind, listen) => {
  it("begins with all there is and goes on with what changes", async () => {
    const early = await server.environment("early");
    const { events } = await listen();
    await poll("the first set", () => events.includes("environment early running"));
    const { id } = await server.environment("late");
    await poll("the new one", () => events.includes("environment late running"));
    await server.ok("DELETE", `/v1/environments/${id}`);
    await poll("its end", () => events.includes(`removed ${id}`));
    expect(events.indexOf("environment late running")).toBeLessThan(events.indexOf(`removed ${id}`));
    await server.ok("DELETE", `/v1/environments/${early.id}`);
  });

  it("tells an owner of its own only", async () => {
    const { token } = await addOwner(server.data, `otherowner${++owners}`);
    const other = await listen(token);
    const own = await listen();
    const secret = await server.environment("secret");
    await poll("the owner to be told", () => own.events.includes("environment secret running"));
    await server.call("POST", "/v1/environments", { token, body: { name: "theirs" } });
    await poll("the other to be told", () => other.events.includes("environment theirs running"));
    expect(other.events.filter((event) => !event.includes("theirs"))).toEqual([]);
    expect(own.events.filter((event) => event.includes("theirs"))).toEqual([]);
    expect((await server.call("DELETE", "/v1/environments/theirs", { token })).status).toBe(200);
    await server.ok("DELETE", `/v1/environments/${secret.id}`);
  });
});

it("a stream begins at once, also where there is nothing to tell", async () => {
  const { token } = await addOwner(server.data, `otherowner${++owners}`);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    get(`${server.url}/v1/events`, { agent: false, headers }, resolve).once("error", reject);
  });
  const first = await new Promise<Buffer>((resolve) => response.once("data", resolve));
  expect(String(first)).toBe(": connected\n\n");
  response.destroy();
});

describe("the events' WebSocket", () => {
  const refusal = (headers: Readonly<Record<string, string>>): Promise<number> =>
    new Promise((resolve) => {
      openSocket(headers).once("unexpected-response", (_request, { statusCode = 0 }) => resolve(statusCode));
    });

  it("is opened with a credential, by a page of our own", async () => {
    expect(await refusal({})).toBe(401);
    expect(await refusal({ authorization: "Bearer wrong" })).toBe(401);
    const { token } = await server.ok("POST", "/v1/links");
    const session = await server.call("POST", "/v1/session", { token: null, body: { token } });
    const cookie = String(session.headers["set-cookie"]?.[0]).split(";")[0] ?? "";
    const key = { "x-microterm-session": JSON.parse(session.text).key };
    for (const headers of [
      { cookie, ...key },
      { cookie, ...key, origin: "http://evil.example" },
    ]) {
      expect(await refusal(headers)).toBe(403);
    }
    const headers = { cookie, ...key, origin: server.url };
    const socket = openSocket(headers);
    await new Promise((resolve) => socket.once("open", resolve));
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await server.call("DELETE", "/v1/session", { token: null, headers });
    expect(await closed).toBe(4401);
  });

  it("says that it is alive, and takes nothing from its client", async () => {
    const socket = openSocket({ authorization: `Bearer ${server.token}` });
    await new Promise<void>((resolve) => {
      socket.on("message", (message) => JSON.parse(String(message)).event === "alive" && resolve());
    });
    socket.send("hello");
    expect(await new Promise((resolve) => socket.once("close", resolve))).toBe(1002);
  });
});

describe("events of every kind", () => {
  it("end with the server", async () => {
    const [stream, socket] = [await listenByStream(), await listenBySocket()];
    const { environments } = await server.ok("GET", "/v1/environments");
    for (const { id } of environments) await server.ok("DELETE", `/v1/environments/${id}`);
    expect(await server.kill("SIGTERM")).toBe(0);
    await stream.ended;
    expect(await socket.ended).toBe(1012);
  });
});
