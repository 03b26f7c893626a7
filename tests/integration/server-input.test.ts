import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Answer, type Call, startServer, type TestServer } from "../../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
  await server.environment("input");
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

const create = (body: unknown, call: Call = {}): Promise<Answer> =>
  server.call("POST", "/v1/environments", { body, ...call });
const outcome = ({ status, json }: Answer): readonly unknown[] => [status, json?.code];
const fields = ({ json }: Answer): readonly string[] =>
  json.details.fields.map(({ field }: { field: string }) => field);

describe("bad input", () => {
  it("is reported as a problem document with the request's id", async () => {
    const answer = await server.call("GET", "/v1/environments/nobody");
    expect(answer.headers["content-type"]).toMatch(/^application\/problem\+json/);
    expect(answer.json).toMatchObject({
      type: "urn:microterm:error:environment-not-found",
      status: 404,
      code: "ENVIRONMENT_NOT_FOUND",
      retryable: false,
      instance: expect.stringMatching(/^urn:microterm:request:[a-z0-9]{12}$/),
      hint: expect.any(String),
    });
  });

  it("asks for no stream's head alone, which would run on in vain", async () => {
    const base = "/v1/environments/input";
    for (const path of [
      "/v1/events",
      `${base}/logs?follow=1`,
      `${base}/files/content?path=/`,
      `${base}/files/tar?path=/`,
    ]) {
      expect([path, (await server.call("HEAD", path)).status]).toEqual([path, 404]);
    }
    expect((await server.call("HEAD", base)).status).toBe(200);
  });

  it("in a WebSocket's address is the client's fault", async () => {
    const headers = { connection: "Upgrade", upgrade: "websocket" };
    expect(outcome(await server.call("GET", "//", { headers }))).toEqual([400, "BAD_REQUEST"]);
  });

  it("has every bad field named at once", async () => {
    const answer = await create({ name: "Bad Name", memoryMib: 0, cpus: -1, diskMib: 1e12, surprise: true });
    expect(outcome(answer)).toEqual([400, "BAD_REQUEST"]);
    expect([...fields(answer)].sort()).toEqual(["body", "cpus", "diskMib", "memoryMib", "name"]);
    expect(answer.json.detail).toContain("surprise");
  });

  it.each([
    ["0", { memoryMib: 0 }],
    ["negative", { cpus: -4 }],
    ["huge", { memoryMib: 1e15 }],
    ["fractions", { cpus: 1.5 }],
    ["text for a number", { diskMib: "64" }],
    ["null for a number", { diskMib: null }],
    ["a list for the whole", [1, 2]],
    ["text for the whole", "x"],
    ["an empty name", { name: "" }],
    ["a name in capitals", { name: "ABC" }],
    ["a name of 33 letters", { name: "a".repeat(33) }],
    ["a name of 5,000 letters", { name: "a".repeat(5000) }],
    ["a name with NUL", { name: "a\0b" }],
    ["a name with a slash", { name: "../../etc" }],
    ["a name that starts with a hyphen", { name: "-rf" }],
    ["a prototype", JSON.parse('{"__proto__":{"x":1}}')],
  ])("refuses %s", async (_name, body) => {
    expect(outcome(await create(body))).toEqual([400, "BAD_REQUEST"]);
  });

  it("refuses more memory than the host has, before anything is made", async () => {
    const before = (await server.ok("GET", "/v1/environments")).environments.length;
    const { memory } = await server.ok("GET", "/v1/host");
    const tooMuch = Math.min(65_536, memory.totalMib + 1024);
    expect(outcome(await create({ memoryMib: tooMuch }))).toEqual([503, "HOST_OUT_OF_MEMORY"]);
    expect((await server.ok("GET", "/v1/environments")).environments.length).toBe(before);
  });

  it("refuses 1 MB of JSON", async () => {
    const raw = JSON.stringify({ name: "a".repeat(1024 * 1024) });
    const answer = await server.call("POST", "/v1/environments", {
      raw,
      headers: { "content-type": "application/json" },
    });
    expect(outcome(answer)).toEqual([413, "PAYLOAD_TOO_LARGE"]);
  });

  it.each([
    ["broken JSON", "application/json", '{"name":'],
    ["nothing where JSON is announced", "application/json", ""],
    ["another type", "text/plain", "name=x"],
    ["XML", "application/xml", "<a/>"],
  ])("refuses %s", async (_name, type, raw) => {
    const answer = await server.call("POST", "/v1/environments", { raw, headers: { "content-type": type } });
    expect(outcome(answer)).toEqual([400, "BAD_REQUEST"]);
  });

  it.each([
    ["/v1/environments/input/wait?state=flying"],
    ["/v1/environments/input/wait?timeoutMs=-1"],
    ["/v1/environments/input/wait?timeoutMs=999999999"],
    ["/v1/environments/input/wait?timeoutMs=1e3"],
    ["/v1/environments/input/wait?unknown=1"],
    ["/v1/environments/..%2f..%2fetc"],
    ["/v1/environments/%00"],
    [`/v1/environments/${"a".repeat(5000)}`],
    ["/v1/environments/input/files/stat"],
    ["/v1/environments/input/files/stat?path="],
    ["/v1/environments/input/files/stat?path=a%00b"],
    [`/v1/environments/input/files/stat?path=${"a".repeat(5000)}`],
    ["/v1/environments/input/files/stat?path=a&path=b"],
    ["/v1/environments/%zz"],
  ])("refuses GET %.60s", async (path) => {
    expect(outcome(await server.call("GET", path))).toEqual([400, "BAD_REQUEST"]);
  });

  it.each([
    ["no command", {}],
    ["an empty command", { command: [] }],
    ["a command of text", { command: "ls" }],
    ["an environment variable with a bad name", { command: ["env"], env: { "a=b": "c" } }],
    ["a time of 0", { command: ["true"], timeoutMs: 0 }],
    ["an unknown member", { command: ["true"], tty: null }],
  ])("refuses an exec with %s", async (_name, body) => {
    expect(outcome(await server.call("POST", "/v1/environments/input/exec", { body }))).toEqual([400, "BAD_REQUEST"]);
  });

  it.each([
    ["a width of 0", { cols: 0 }],
    ["a height of 1001", { rows: 1001 }],
    ["no program", { command: [] }],
  ])("refuses a terminal with %s", async (_name, body) => {
    expect(outcome(await server.call("POST", "/v1/environments/input/terminals", { body }))).toEqual([
      400,
      "BAD_REQUEST",
    ]);
  });

  it("finds nothing at unknown addresses and methods", async () => {
    for (const [method, path] of [
      ["GET", "/v1/nothing"],
      ["GET", "/nothing"],
      ["PATCH", "/v1/environments"],
      ["POST", "/healthz"],
      ["GET", "/assets/../../package.json"],
      ["GET", "/..%2f..%2fpackage.json"],
    ] as const) {
      const answer = await server.call(method, path);
      expect([path, answer.status, answer.json?.code]).toEqual([path, 404, "NOT_FOUND"]);
    }
  });

  it("knows an environment's terminal from one it has not", async () => {
    const gone = await server.call("GET", "/v1/environments/input/terminals/nosuch/attach");
    expect(outcome(gone)).toEqual([426, "UPGRADE_REQUIRED"]);
  });

  it("leaves the environment as it was", async () => {
    expect((await server.ok("GET", "/v1/environments/input")).state).toBe("running");
    expect((await server.ok("GET", "/v1/environments")).environments.length).toBe(1);
  });
});
