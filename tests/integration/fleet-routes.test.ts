/** Each route and each WebSocket of an environment, asked of a server that does not hold it: its holder answers. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { WebSocket } from "ws";
import { WEB_SOCKETS } from "../../packages/server/src/terminal/clients/upgrade.ts";
import { openFleet, type TestFleet } from "../../support/fleet.ts";
import { poll, type TestServer } from "../../support/server.ts";
import { accept, codeOf, look, openTerminal, share } from "../../support/sharing.ts";
import { type Expected, ROUTES, WEB_SOCKETS_ALONE } from "../security/routes.ts";

let fleet: TestFleet;
/** Holds all. */
let a: TestServer;
let b: TestServer;
let has: Record<string, string>;
beforeAll(async () => {
  fleet = await openFleet();
  // With those lines, too, whose caller has no account.
  a = await fleet.start({ args: ["--log-level", "debug"] });
  b = await fleet.start();
  const { id, terminals } = await a.environment("walked");
  const one = "abcdefghijkl";
  has = { env: id, id, terminal: terminals[0].id, port: "3000", share: one, grant: one, link: one };
});
afterAll(async () => expect(await fleet?.dispose()).toEqual([]));

const fill = (path: string, given: Record<string, string>): string =>
  path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = given[name];
    if (value === undefined) throw new Error(`the walk has nothing for {${name}} of ${path}`);
    return value;
  });

/** How often the holder has answered this. */
function answeredByHolder(method: string, route: string): number {
  const lines = readFileSync(join(a.data, "server/server.log"), "utf8").trim().split("\n");
  const requests = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === "request");
  return requests.filter((one) => one.method === method && one.route === route).length;
}

/** All there are: tests/security/every-route.test.ts says so. */
const operations = [...Object.keys(ROUTES), ...WEB_SOCKETS_ALONE].filter((one) => one.includes("/environments/{"));
/** What ends the holding of its environment, or has another owner have it. */
const ENDS = /^(?:DELETE \/v1\/environments\/\{env\}|POST .*\/(?:stop|pause|transfer))$/;

it.each(operations)("%s is answered by the holder", async (operation) => {
  const [method = "", path = ""] = operation.split(" ");
  const { body, raw, query } = { ...(ROUTES[operation] as Partial<Expected> | undefined) };
  const own: Record<string, string> = ENDS.test(operation) ? { env: (await a.environment()).id } : {};
  const route = path.replaceAll(/\{(\w+)\}/g, ":$1");
  const before = answeredByHolder(method, route);
  const headers: Record<string, string> = raw === undefined ? {} : { "content-type": "application/octet-stream" };
  const call = { headers, ...(body === undefined ? {} : { body }), ...(raw === undefined ? {} : { raw }) };
  // A machine of the `process` driver has this host's files: with no path they are left alone.
  const asked = `${fill(path, { ...has, ...own })}${query ?? ""}`.replace("path=/tmp", "path=");
  const answer = await b.call(method, asked, call);
  expect(answer.status).not.toBe(503);
  await poll("the holder's answer", () => answeredByHolder(method, route) > before, 20_000);
});

it("has every WebSocket of an environment be answered by its holder", async () => {
  has.terminal = await openTerminal(a, has.env ?? "");
  const made = await share(b, has.env ?? "", has.terminal ?? "", { withoutAccount: true });
  const letIn = await accept(b, codeOf(made), { name: "guest" });
  for (const { route, protocol } of Object.values(WEB_SOCKETS)) {
    if (route === WEB_SOCKETS.events.route) continue;
    const before = answeredByHolder("GET", route);
    if (route === WEB_SOCKETS.shared.route) await (await look(b, letIn).opened()).close();
    else {
      const path = fill(route.replaceAll(/:(\w+)/g, "{$1}"), has);
      const headers = { authorization: `Bearer ${b.token}` };
      const socket = new WebSocket(`${b.url.replace("http", "ws")}${path}`, [protocol], { headers });
      await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
      socket.terminate();
    }
    await poll(`the holder's ${route}`, () => answeredByHolder("GET", route) > before, 20_000);
  }
});
