import { afterAll, beforeAll, expect, it } from "vitest";
import { openBrowser, PASSWORD } from "../../support/people.ts";
import { type Answer, startServer, type TestServer } from "../../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ args: ["--local-accounts", "off"] });
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

const outcome = ({ status, json }: Answer): readonly unknown[] => [status, json?.code];

it("takes no password where there are no local accounts, and says so beforehand", async () => {
  const anyone = openBrowser(server);
  expect((await anyone.call("GET", "/v1/sign-in")).json).toEqual({ password: false, oidc: null });
  const code = "0123456789abcdef";
  for (const [path, body] of [
    ["/v1/session", { name: "admin", password: PASSWORD }],
    ["/v1/invitations/look", { code }],
    ["/v1/invitations/accept", { code, name: "ann", password: PASSWORD }],
    ["/v1/resets/accept", { code, password: PASSWORD }],
  ] as const) {
    expect([path, ...outcome(await anyone.call("POST", path, body))]).toEqual([path, 403, "LOCAL_ACCOUNTS_OFF"]);
  }
  for (const [method, path, body] of [
    ["POST", "/v1/invitations", {}],
    ["POST", "/v1/accounts", { name: "ann" }],
    ["POST", "/v1/accounts/admin/reset", undefined],
    ["PUT", "/v1/account/password", { password: PASSWORD }],
  ] as const) {
    const answer = await server.call(method, path, body === undefined ? {} : { body });
    expect([path, ...outcome(answer)]).toEqual([path, 403, "LOCAL_ACCOUNTS_OFF"]);
  }
});

it("is still entered by the host's own links", async () => {
  const { token } = await server.ok("POST", "/v1/links");
  const answer = await openBrowser(server).call("POST", "/v1/session", { token });
  expect(answer.json.account).toMatchObject({ name: "admin", role: "admin" });
});
