import { readFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { poll, startServer, type TestServer } from "../../support/server.ts";
import { cliOk } from "./cli-run.ts";

let server: TestServer;
let metricsUrl: string;
beforeAll(async () => {
  server = await startServer({ args: ["--metrics", "0", "--log-level", "debug"] });
  const { metricsPort } = JSON.parse(readFileSync(join(server.data, "server/server.json"), "utf8"));
  metricsUrl = `http://127.0.0.1:${metricsPort}`;
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

type Line = Readonly<Record<string, unknown>>;
const lines = (): Line[] =>
  readFileSync(join(server.data, "server/server.log"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
const linesOf = (msg: string): Line[] => lines().filter((line) => line.msg === msg);
/** A line is written when its answer has been sent, which is when the test goes on. */
async function lineOf(msg: string, fits: (line: Line) => boolean): Promise<Line> {
  let found: Line | undefined;
  await poll(`the line '${msg}'`, () => {
    found = linesOf(msg).findLast(fits);
    return found !== undefined;
  });
  return found as Line;
}
const isText = (text: unknown): boolean => typeof text === "string" && text.length > 0;

describe("the server's log", () => {
  it("has a line for each request, by the route's pattern, with the id that an error shows", async () => {
    const refused = await server.call("GET", "/v1/environments/no-such-one?token=secret");
    const instance = String(refused.json.instance);
    const id = instance.slice(instance.lastIndexOf(":") + 1);
    const line = await lineOf("request", (one) => one.request === id);
    expect(linesOf("request").filter((one) => one.request === id)).toEqual([line]);
    expect(line).toMatchObject({ level: 30, method: "GET", route: "/v1/environments/:env", status: refused.status });
    expect([isText(line.actor), Number(line.ms) > 0]).toEqual([true, true]);
    await server.call("GET", "/nothing/here", { token: null });
    expect(await lineOf("request", ({ route }) => route === null)).toMatchObject({
      level: 20,
      status: 404,
      actor: null,
    });
    expect(JSON.stringify(lines())).not.toContain("secret");
  });

  it("says what a request did to an environment, with its ids, the steps' times and the request's id", async () => {
    const { id } = await server.environment("logged");
    await server.ok("POST", `/v1/environments/${id}/exec`, { command: ["sh", "-c", "echo hidden; exit 3"] });
    await server.ok("DELETE", `/v1/environments/${id}`);
    const created = await lineOf("request", ({ method, status }) => method === "POST" && status === 201);
    await lineOf("operation", ({ environment, operation }) => environment === id && operation === "destroy");
    const operations = linesOf("operation").filter(({ environment }) => environment === id);
    expect(operations).toMatchObject([
      { operation: "start", startMethod: "boot", outcome: "done", request: created.request },
      { operation: "destroy", startMethod: null, outcome: "done" },
    ]);
    const [start, destroy] = operations as { machine: string; ms: number; steps: Record<string, number> }[];
    expect(Object.keys(start?.steps ?? {})).toEqual(["wait", "disk", "machine", "kernel", "agent", "terminal"]);
    expect(start?.machine).toBe(destroy?.machine);
    const sum = Object.values(start?.steps ?? {}).reduce((one, other) => one + other, 0);
    expect(sum).toBeLessThanOrEqual((start?.ms ?? 0) + 1);
    expect(await lineOf("exec", ({ environment }) => environment === id)).toMatchObject({ outcome: "exited" });
    expect(JSON.stringify(lines())).not.toContain("hidden");
  });

  it("says who signed in, and nothing of the token", async () => {
    const { token } = await server.ok("POST", "/v1/links");
    expect((await server.call("POST", "/v1/session", { body: { token }, token: null })).status).toBe(200);
    const signedIn = await lineOf("sign-in", () => true);
    expect([isText(signedIn.actor), isText(signedIn.request)]).toEqual([true, true]);
    expect(JSON.stringify(lines())).not.toContain(token);
  });

  it("has the lines that its level asks for", async () => {
    const quiet = await startServer({ args: ["--log-level", "error"] });
    await quiet.call("GET", "/v1/host");
    expect(readFileSync(join(quiet.data, "server/server.log"), "utf8")).toBe("");
    expect(await quiet.dispose()).toEqual([]);
  });
});

describe("the figures", () => {
  const figures = async (): Promise<string> => (await fetch(`${metricsUrl}/metrics`)).text();

  it("count environments, operations and terminals, and name no environment", async () => {
    const { id } = await server.environment("counted");
    await server.ok("GET", `/v1/environments/${id}/metrics`);
    const text = await figures();
    expect(text).toContain('microterm_environments{state="running"} 1\n');
    expect(text).toMatch(
      /^microterm_operation_duration_seconds_count\{operation="start",method="boot",outcome="done"\} \d+$/m,
    );
    expect(text).toContain('microterm_pool_machines{kind="ready"} 0\n');
    expect(text).toMatch(/^microterm_server_nodejs_eventloop_lag_seconds /m);
    expect(text).toMatch(/^microterm_terminals\{kind="clients"\} 0$/m);
    expect(text).toMatch(/^microterm_terminal_bytes_total\{direction="output"\} \d+$/m);
    for (const name of ["counted", id]) expect(text).not.toContain(name);
    await server.ok("DELETE", `/v1/environments/${id}`);
    await poll("it to be gone from the figures", async () =>
      (await figures()).includes('microterm_environments{state="running"} 0\n'),
    );
  });

  it("are for this host's own names, and a port that is taken is named", async () => {
    const named = (host: string) =>
      new Promise<number>((resolve, reject) => {
        get(`${metricsUrl}/metrics`, { headers: { host } }, (answer) => {
          answer.resume();
          resolve(answer.statusCode ?? 0);
        }).on("error", reject);
      });
    expect([await named("localhost:1"), await named("evil.example")]).toEqual([200, 421]);
    const port = new URL(metricsUrl).port;
    const refused = await startServer({ args: ["--metrics", port] }).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining(`The port ${port} of --metrics is taken`),
    });
  });

  it("are all that their port has, and are not on the server's own", async () => {
    expect((await fetch(`${metricsUrl}/v1/environments`)).status).toBe(404);
    expect((await fetch(`${metricsUrl}/metrics`, { method: "POST" })).status).toBe(404);
    expect((await server.call("GET", "/metrics")).status).toBe(404);
  });
});

describe("microterm top", () => {
  it("shows what runs, once where its output is no terminal", async () => {
    const { id } = await server.environment("topped");
    const shown = await cliOk(server, ["top"]);
    expect(shown).toMatch(
      /^NAME +ID +CPU +OF +MEMORY +OF +DISK +OF +PROCESSES\ntopped +\w+ +[\d.]+ % +-( +[\d.]+ [MGT]iB){4} +\d+\n$/,
    );
    const [use] = JSON.parse(await cliOk(server, ["top", "topped", "-o", "json"]));
    expect(use).toMatchObject({ name: "topped", id, cpus: expect.any(Number), processes: expect.any(Number) });
    await server.ok("DELETE", `/v1/environments/${id}`);
  });
});
