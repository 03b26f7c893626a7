import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { kubectl } from "../../support/cluster/in-cluster.ts";
import { startServer, type TestServer } from "../../support/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startServer({ args: ["--pool", "2"] });
});

afterAll(async () => {
  await server?.dispose();
  expect(await kubectl("get", "pods", "--output", "name")).toBe("");
});

const ready = async (): Promise<number> => (await server.ok("GET", "/v1/host")).pool.ready;
/** How each start went that has ended, from the server's log. */
const starts = (): readonly { readonly startMethod: string; readonly ms: number }[] =>
  readFileSync(join(server.data, "server/server.log"), "utf8")
    .split("\n")
    .flatMap((line) => (line.includes('"operation":"start"') ? [JSON.parse(line)] : []));

it("claims pods that run already, and each of them once", async () => {
  await expect.poll(ready).toBe(2);
  const made = await Promise.all(["one", "two"].map((name) => server.environment(name)));
  expect(made.map(({ state }) => state)).toEqual(["running", "running"]);
  expect(starts().map(({ startMethod }) => startMethod)).toEqual(["claim", "claim"]);
  await expect.poll(ready).toBe(2);
  const pods = (await kubectl("get", "pods", "--output", "name")).trim().split("\n");
  expect(pods).toHaveLength(4);
});
