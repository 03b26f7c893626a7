/** The HTTP API against its own OpenAPI document: schemathesis makes requests of every shape and checks each answer. */
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { schemathesis } from "../../support/schemathesis.ts";
import { startServer, type TestServer } from "../../support/server.ts";

/** The same cases at each run. */
const SEED = 20261128;
const CASES_PER_OPERATION = process.env.MICROTERM_SOAK ? 200 : 10;

const CHECKS = [
  "not_a_server_error",
  "status_code_conformance",
  "content_type_conformance",
  "response_headers_conformance",
  "response_schema_conformance",
  "ignored_auth",
];

/**
 * What a guest or the host cannot give at the moment is an answer, and so documented; INTERNAL (500) is a fault. Requests name an
 * environment that is there, but for those that would end it.
 */
const CONFIG = `
[checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 502, 503, 504, 507]
[parameters]
env = "aaaa"
[[operations]]
include-name = ["DELETE /v1/environments/{env}", "POST /v1/environments/{env}/stop"]
parameters = { env = "gone" }
`;

let server: TestServer;
let program: string;
beforeAll(async () => {
  program = await schemathesis();
  server = await startServer();
}, 600_000);
afterAll(async () => {
  expect(await server?.dispose()).toEqual([]);
});

test("every answer of every route is one that the document names", async () => {
  await server.environment("aaaa");
  const document = join(server.data, "openapi.json");
  await writeFile(document, (await server.call("GET", "/openapi.json")).text);
  const args = ["run", document, "--url", server.url, "--header", `Authorization: Bearer ${server.token}`];
  args.push("--checks", CHECKS.join(","), "--phases", "coverage,fuzzing", "--seed", String(SEED));
  args.push("--max-examples", String(CASES_PER_OPERATION), "--request-timeout", "30", "--workers", "1", "--no-color");
  // Streams that may have no end, and a wait of up to ten minutes: other tests read them.
  args.push("--exclude-path-regex", "/(events|logs|wait)$");
  const config = join(server.data, "schemathesis.toml");
  await writeFile(config, CONFIG);
  args.unshift("--config-file", config);
  const { code, output } = await run(program, args, server.data);
  expect(code, output.slice(-20_000)).toBe(0);
});

function run(command: string, args: readonly string[], cwd: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        output += chunk;
      });
    }
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
}
