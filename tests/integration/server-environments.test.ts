import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type CreateEnvironment, Environment, HostStatus, Receipt } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addOwner } from "../../support/second-owner.ts";
import { startServer, type TestServer } from "../../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

describe("environments over HTTP", () => {
  it("have no network where their driver has none, and the server says so and why", async () => {
    expect(HostStatus.parse(await server.ok("GET", "/v1/host"))).toMatchObject({
      ...{ network: "loopback", networkReason: "the driver 'process' has none" },
      ...{ networkModes: [], defaultNetwork: null },
    });
  });

  it("are created, found, stopped, started and destroyed", async () => {
    const created = Environment.parse(await server.ok("POST", "/v1/environments", { name: "life" }));
    expect(created).toMatchObject({ name: "life", state: "creating", isolation: "none", driver: "process" });
    const running = await server.ok("GET", "/v1/environments/life/wait");
    expect(Environment.parse(running)).toMatchObject({ id: created.id, state: "running", terminals: [{ exit: null }] });
    for (const reference of [created.id, "life", created.id.slice(0, 5)]) {
      expect((await server.ok("GET", `/v1/environments/${reference}`)).id).toBe(created.id);
    }
    expect(
      (await server.ok("GET", "/v1/environments")).environments.map(({ name }: { name: string }) => name),
    ).toContain("life");

    expect((await server.call("POST", "/v1/environments/life/stop")).status).toBe(202);
    expect(await server.ok("GET", "/v1/environments/life/wait?state=stopped")).toMatchObject({ state: "stopped" });
    const refused = await server.call("GET", "/v1/environments/life/terminals");
    expect([refused.status, refused.json.code]).toEqual([409, "ENVIRONMENT_STATE"]);
    expect((await server.call("POST", "/v1/environments/life/start")).status).toBe(202);
    expect(await server.ok("GET", "/v1/environments/life/wait")).toMatchObject({ state: "running" });

    const receipt = Receipt.parse(await server.ok("DELETE", "/v1/environments/life"));
    expect(receipt).toMatchObject({ environment: created.id, left: [] });
    expect(receipt.removed.processes).toBeGreaterThan(0);
    expect(await server.ok("DELETE", `/v1/environments/${created.id}`)).toEqual(receipt);
    expect((await server.call("GET", `/v1/environments/${created.id}`)).json.code).toBe("ENVIRONMENT_NOT_FOUND");
    expect((await server.call("GET", "/v1/environments/life/wait?state=gone")).status).toBe(204);
  });

  it("are waited for by clients that may go away, which is no fault of the server's", async () => {
    await server.environment("waited");
    const gone = new AbortController();
    const headers = { authorization: `Bearer ${server.token}` };
    const url = `${server.url}/v1/environments/waited/wait?state=stopped`;
    const waiting = fetch(url, { headers, signal: gone.signal });
    await server.ok("GET", "/v1/environments/waited");
    gone.abort();
    await expect(waiting).rejects.toThrow();
    // A call that begins after the connection's end has reached the server.
    await server.ok("DELETE", "/v1/environments/waited");
    expect(readFileSync(join(server.data, "server/server.log"), "utf8")).not.toContain("request failed");
  });

  it("give two clients that destroy at once the same receipt", async () => {
    const { id } = await server.environment("twice");
    const [one, two] = await Promise.all([1, 2].map(() => server.call("DELETE", `/v1/environments/${id}`)));
    expect([one?.status, two?.status]).toEqual([200, 200]);
    expect(two?.json).toEqual(one?.json);
  });

  it("are given other times to end in, and keep what is not said", async () => {
    const path = "/v1/environments/timed";
    const { id } = await server.environment("timed");
    const before = Date.now();
    const timed = Environment.parse(await server.ok("PATCH", path, { ttlSeconds: 3600, idleTimeoutSeconds: 1800 }));
    expect(timed).toMatchObject({ id, state: "running", idleTimeoutSeconds: 1800 });
    expect(Date.parse(timed.expiresAt ?? "")).toBeGreaterThanOrEqual(before + 3_600_000);
    expect(await server.ok("PATCH", path, {})).toMatchObject({ expiresAt: timed.expiresAt, idleTimeoutSeconds: 1800 });
    expect(await server.ok("PATCH", path, { idleTimeoutSeconds: 0 })).toMatchObject({
      expiresAt: timed.expiresAt,
      idleTimeoutSeconds: null,
    });
    for (const body of [{ ttlSeconds: -1 }, { ttlSeconds: "8h" }, { name: "other" }, { memoryMib: 512 }]) {
      const refused = await server.call("PATCH", path, { body });
      expect([refused.status, refused.json.code]).toEqual([400, "BAD_REQUEST"]);
    }
    const fixed = await server.call("PATCH", path, { body: { memoryMib: 1024, cpus: 2 } });
    expect(fixed.json.detail).toContain("fixed for an environment's life: create another one");
    const unlimited = await server.call("PATCH", path, { body: { cpuQuotaPercent: 50 } });
    expect([unlimited.status, unlimited.json.code]).toEqual([409, "UNSUPPORTED"]);
    expect(await server.ok("GET", path)).toMatchObject({ limits: null });
    expect((await server.call("PATCH", "/v1/environments/nosuch", { body: {} })).status).toBe(404);

    await server.ok("PATCH", path, { ttlSeconds: 5 });
    await server.ok("PATCH", path, { ttlSeconds: 3600 });
    expect((await server.call("GET", `${path}/wait?state=gone&timeoutMs=6000`)).json.code).toBe("WAIT_TIMEOUT");
    await server.ok("PATCH", path, { ttlSeconds: 1 });
    expect((await server.call("GET", `${path}/wait?state=gone&timeoutMs=60000`)).status).toBe(204);
  });

  it("wait no longer than they are asked to", async () => {
    await server.environment("waiting");
    const late = await server.call("GET", "/v1/environments/waiting/wait?state=stopped&timeoutMs=20");
    expect([late.status, late.json.code, late.json.retryable]).toEqual([408, "WAIT_TIMEOUT", true]);
    const either = await server.ok("GET", "/v1/environments/waiting/wait?state=stopped&state=running");
    expect(either.state).toBe("running");
  });

  it("are made once for one Idempotency-Key", async () => {
    const headers = { "idempotency-key": "once-only" };
    const create = (body: CreateEnvironment) => server.call("POST", "/v1/environments", { body, headers });
    const [first, second] = await Promise.all([create({ name: "idem" }), create({ name: "idem" })]);
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.json.id).toBe(first.json.id);
    expect((await create({ name: "idem" })).json.id).toBe(first.json.id);
    const other = await create({ name: "other" });
    expect([other.status, other.json.code]).toEqual([422, "IDEMPOTENCY_MISMATCH"]);
    await server.ok("GET", "/v1/environments/idem/wait");
  });

  it("have names that are taken once", async () => {
    await server.environment("taken");
    const again = await server.call("POST", "/v1/environments", { body: { name: "taken" } });
    expect([again.status, again.json.code]).toEqual([409, "NAME_TAKEN"]);
  });

  it("belong to one owner and are hidden from another", async () => {
    const { id, terminals } = await server.environment("private");
    const { token } = await addOwner(server.data, "otherowner1");
    const paths = [
      "",
      "/terminals",
      "/logs",
      "/metrics",
      "/wait",
      "/files/stat?path=.",
      "/files/list?path=.",
      "/files/content?path=.bashrc",
    ];
    for (const reference of [id, "private", id.slice(0, 6)]) {
      for (const path of paths) {
        const answer = await server.call("GET", `/v1/environments/${reference}${path}`, { token });
        expect([path, answer.status, answer.json.code]).toEqual([path, 404, "ENVIRONMENT_NOT_FOUND"]);
      }
      const writes: (readonly [string, string, unknown?])[] = [
        ["DELETE", ""],
        ["PATCH", "", { ttlSeconds: 1 }],
        ["POST", "/stop"],
        ["POST", "/start"],
        ["POST", "/terminals", {}],
        ["DELETE", `/terminals/${terminals[0].id}`],
        ["POST", "/exec", { command: ["true"] }],
      ];
      for (const [method, path, body] of writes) {
        const call = body === undefined ? { token } : { token, body };
        const answer = await server.call(method, `/v1/environments/${reference}${path}`, call);
        expect([method, path, answer.status]).toEqual([method, path, 404]);
      }
    }
    expect((await server.call("GET", "/v1/environments", { token })).json).toEqual({ environments: [] });
    expect((await server.call("GET", "/v1/host", { token })).json.environments).toBe(0);
    // Names are unique for each owner, not for all.
    const own = await server.call("POST", "/v1/environments", { token, body: { name: "private" } });
    expect(own.status).toBe(201);
    expect((await server.call("DELETE", `/v1/environments/${own.json.id}`, { token })).status).toBe(200);
    expect((await server.ok("GET", `/v1/environments/${id}`)).state).toBe("running");
  });
});
