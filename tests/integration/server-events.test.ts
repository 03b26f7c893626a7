import { get, type IncomingMessage } from "node:http";
import { Environment } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { addOwner } from "../../support/second-owner.ts";
import { poll, startServer, type TestServer } from "../../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

interface Listener {
  /** `environment NAME STATE` and `removed ID`, in order. */
  readonly events: string[];
  readonly ended: Promise<void>;
}

async function listen(token = server.token): Promise<Listener> {
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
      if (event === "environment") {
        const { name, state } = Environment.parse(JSON.parse(data ?? ""));
        events.push(`environment ${name} ${state}`);
      } else if (event === "removed") events.push(`removed ${JSON.parse(data ?? "").id}`);
    }
  });
  response.on("error", () => undefined);
  return { events, ended: new Promise((resolve) => response.once("close", resolve)) };
}

describe("the event stream", () => {
  it("begins with all there is and goes on with what changes", async () => {
    await server.environment("early");
    const { events } = await listen();
    await poll("the first set", () => events.includes("environment early running"));
    const { id } = await server.environment("late");
    await poll("the new one", () => events.includes("environment late running"));
    await server.ok("DELETE", `/v1/environments/${id}`);
    await poll("its end", () => events.includes(`removed ${id}`));
    expect(events.indexOf("environment late running")).toBeLessThan(events.indexOf(`removed ${id}`));
  });

  it("tells an owner of its own only", async () => {
    const { token } = await addOwner(server.data, "otherowner3");
    const other = await listen(token);
    const own = await listen();
    await server.environment("secret");
    await poll("the owner to be told", () => own.events.includes("environment secret running"));
    await server.call("POST", "/v1/environments", { token, body: { name: "theirs" } });
    await poll("the other to be told", () => other.events.includes("environment theirs running"));
    expect(other.events.filter((event) => !event.includes("theirs"))).toEqual([]);
    expect(own.events.filter((event) => event.includes("theirs"))).toEqual([]);
    expect((await server.call("DELETE", "/v1/environments/theirs", { token })).status).toBe(200);
  });

  it("ends with the server", async () => {
    const { ended } = await listen();
    const { environments } = await server.ok("GET", "/v1/environments");
    for (const { id } of environments) await server.ok("DELETE", `/v1/environments/${id}`);
    expect(await server.kill("SIGTERM")).toBe(0);
    await ended;
  });
});
