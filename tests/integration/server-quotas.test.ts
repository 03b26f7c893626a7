import { AdminHost, Environment, Quota, type QuotaLimits, Quotas } from "@microterm/protocol";
import { expect, it, onTestFinished } from "vitest";
import { addOwner } from "../../support/second-owner.ts";
import { TerminalClient } from "../../support/terminal-client.ts";
import { terminalSuite } from "../../support/terminal-suite.ts";

const suite = terminalSuite("quotas");

const NONE: QuotaLimits = {
  ...{ environments: null, running: null, memoryMib: null, cpus: null },
  ...{ diskMib: null, recordingsMib: null, hoursPerDay: null },
};
const OWNER = "memberone";

it("quotas are set by admins, shown to their accounts, and say what they refuse", async () => {
  const { server } = suite;
  const { token } = await addOwner(server.data, OWNER);
  const as = (method: string, path: string, body?: unknown) => server.call(method, path, { token, body });
  const own = Quota.parse((await as("GET", "/v1/quota")).json);
  expect(own).toMatchObject({ isOwn: false, limits: { running: 5 }, used: { running: 0 }, left: { running: 5 } });
  expect(Quota.parse(await server.ok("GET", "/v1/quota"))).toMatchObject({ limits: NONE, left: NONE });

  for (const [method, path, body] of [
    ["GET", "/v1/quotas"],
    ["PUT", "/v1/quotas/member", NONE],
    ["PUT", `/v1/accounts/${OWNER}/quota`, { limits: NONE }],
    ["GET", "/v1/admin/environments"],
    ["GET", "/v1/admin/host"],
  ] as const) {
    expect([path, (await as(method, path, body)).status]).toEqual([path, 403]);
    expect([path, (await server.call(method, path, { token: null, body })).status]).toEqual([path, 401]);
  }
  const transfer = `/v1/admin/environments/${suite.environment}/transfer`;
  expect((await as("POST", transfer, { account: OWNER })).status).toBe(404);

  for (const [path, body, status] of [
    ["/v1/quotas/nobody", NONE, 400],
    ["/v1/quotas/member", { ...NONE, running: -1 }, 400],
    ["/v1/quotas/member", { ...NONE, running: 1.5 }, 400],
    ["/v1/quotas/member", { ...NONE, running: 1e12 }, 400],
    ["/v1/quotas/member", { running: 1 }, 400],
    [`/v1/accounts/${OWNER}/quota`, { limits: { ...NONE, more: 1 } }, 400],
    [`/v1/accounts/${"a".repeat(65)}/quota`, { limits: null }, 400],
    ["/v1/accounts/nobody/quota", { limits: null }, 404],
    ["/v1/accounts/%3Cb%3E/quota", { limits: null }, 404],
  ] as const) {
    expect([path, (await server.call("PUT", path, { body })).status]).toEqual([path, status]);
  }

  expect(
    (await server.call("PUT", `/v1/accounts/${OWNER}/quota`, { body: { limits: { ...NONE, cpus: 0 } } })).status,
  ).toBe(204);
  const refused = await as("POST", "/v1/environments", {});
  expect(refused.json).toMatchObject({
    ...{ status: 403, code: "QUOTA_EXCEEDED", details: { quota: { name: "cpus", limit: 0, used: 0, asked: 1 } } },
  });
  const all = Quotas.parse(await server.ok("GET", "/v1/quotas"));
  expect(all.accounts.map(({ account, isOwn }) => [account.name, isOwn])).toEqual([
    ["admin", false],
    [OWNER, true],
  ]);
  await server.call("PUT", `/v1/accounts/${OWNER}/quota`, { body: { limits: null } });
  expect(Quota.parse((await as("GET", "/v1/quota")).json).isOwn).toBe(false);
  const { entries } = await server.ok("GET", "/v1/audit?action=quota.changed&outcome=done");
  expect(entries[0]).toMatchObject({ target: OWNER, detail: { limits: ["default"] } });
  expect(entries[1].detail.limits).toContain("cpus=0");
  expect(AdminHost.parse(await server.ok("GET", "/v1/admin/host")).environments).toBe(1);
});

it("who looked at an environment that is handed over is disconnected, and who has it now finds it as it was", async () => {
  const { server } = suite;
  const { token } = await addOwner(server.data, "membertwo");
  const made = await server.call("POST", "/v1/environments", { token, body: { name: "handed" } });
  const { id } = Environment.parse(made.json);
  const running = await server.call("GET", `/v1/environments/${id}/wait`, { token });
  const [terminal] = Environment.parse(running.json).terminals;
  if (terminal === undefined) throw new Error("it has no terminal");
  const client = new TerminalClient({ url: server.url, token }, id, terminal.id);
  onTestFinished(() => client.close());
  await client.opened();
  client.type("echo left-$((40+2))\n");
  await client.until("left-42");

  const [listed] = (await server.ok("GET", "/v1/admin/environments")).environments.filter(
    (one: { readonly id: string }) => one.id === id,
  );
  expect(listed).toMatchObject({ ownerName: "membertwo", name: "handed", use: {} });
  expect((await server.call("GET", `/v1/environments/${id}/logs`)).status).toBe(404);
  await server.ok("POST", `/v1/admin/environments/${id}/transfer`, { account: "admin" });
  expect((await client.ended).code).toBe(4404);
  expect((await server.call("GET", `/v1/environments/${id}`, { token })).status).toBe(404);
  const again = new TerminalClient(server, "handed", terminal.id, { from: 0 });
  onTestFinished(() => again.close());
  await again.until("left-42");
  await server.ok("DELETE", `/v1/environments/${id}`);
});
