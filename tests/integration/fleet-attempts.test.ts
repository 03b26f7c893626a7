/** Who guesses at one server of a fleet has no more attempts at another. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { openFleet, type TestFleet } from "../../support/fleet.ts";
import { invite, openBrowser, PASSWORD } from "../../support/people.ts";
import type { TestServer } from "../../support/server.ts";

let fleet: TestFleet;
let servers: readonly [TestServer, TestServer];
beforeAll(async () => {
  fleet = await openFleet();
  servers = [await fleet.start(), await fleet.start()];
});
afterAll(async () => {
  expect(await fleet?.dispose()).toEqual([]);
});

const signIn = (server: TestServer, name: string, password: string, from?: string) =>
  openBrowser(server, from === undefined ? {} : { from }).call("POST", "/v1/session", { name, password });

it("is refused at the second server after ten passwords that were wrong at the first, and keeps the owner out nowhere", async () => {
  const [a, b] = servers;
  const owner = await invite(a, "owner");
  const guess = async (server: TestServer) => (await signIn(server, owner.name, "not the password")).status;
  expect(await Promise.all(Array.from({ length: 6 }, () => guess(a)))).toEqual(Array(6).fill(401));
  const rest = await Promise.all(Array.from({ length: 6 }, () => guess(b)));
  expect(rest.sort()).toEqual([401, 401, 401, 401, 429, 429]);
  expect(await guess(a)).toBe(429);
  // From there even the right one; elsewhere, and in a browser that is known, it is let in.
  expect((await signIn(b, owner.name, PASSWORD)).json.code).toBe("TOO_MANY");
  expect((await signIn(b, owner.name, PASSWORD, "127.0.0.9")).status).toBe(200);
  expect((await owner.call("POST", "/v1/session", { name: owner.name, password: PASSWORD })).status).toBe(200);
});

it("counts codes that are wrong at any server, and refuses none that is right", async () => {
  const [a, b] = servers;
  const from = "127.0.0.10";
  const { code } = await a.ok("POST", "/v1/invitations", { role: "member" });
  const look = async (server: TestServer, tried: string) =>
    (await openBrowser(server, { from }).call("POST", "/v1/invitations/look", { code: tried })).status;
  for (let at = 0; at < 10; at++) {
    for (const server of [a, b]) expect(await look(server, "0".repeat(code.length))).not.toBe(429);
  }
  for (const server of [a, b]) expect(await look(server, "0".repeat(code.length))).toBe(429);
  for (const server of [a, b]) expect(await look(server, code)).toBe(200);
  const share = (server: TestServer) =>
    openBrowser(server, { from }).call("POST", "/v1/shares/look", { code: "0".repeat(code.length) });
  const shares: number[] = [];
  for (let at = 0; at < 11; at++) for (const server of [a, b]) shares.push((await share(server)).status);
  expect(shares.slice(0, 20)).not.toContain(429);
  expect(shares.slice(20)).toEqual([429, 429]);
});
