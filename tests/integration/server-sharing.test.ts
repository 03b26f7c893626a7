import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cookieOf } from "../../support/preview-client.ts";
import { addOwner } from "../../support/second-owner.ts";
import { poll, startServer, type TestServer } from "../../support/server.ts";
import { accept, codeOf, look, openTerminal, share } from "../../support/sharing.ts";
import { TerminalClient } from "../../support/terminal-client.ts";

const CAT = "stty raw -echo; printf ready; exec cat";

let server: TestServer;
let id: string;
let bob: { readonly token: string };
beforeAll(async () => {
  server = await startServer();
  ({ id } = await server.environment());
  bob = await addOwner(server.data, "bobbobbob");
});
afterAll(async () => expect(await server?.dispose()).toEqual([]));

const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => "let in",
    ({ status, code }) => [status, code],
  );
const sharesOf = async () => (await server.ok("GET", `/v1/environments/${id}/shares`)).shares;
/** What no route does yet, or would have to be waited for. */
function change(statement: string, ...values: readonly string[]): unknown[] {
  const database = new DatabaseSync(join(server.data, "server/microterm.db"));
  try {
    return database.prepare(statement).all(...values);
  } finally {
    database.close();
  }
}

describe("a link", () => {
  it("says what it is to who has it and lets in who posts it, as often as it says", async () => {
    const terminal = await openTerminal(server, id);
    const made = await share(server, id, terminal, { uses: 1, ttlSeconds: 600 });
    expect(made).toMatchObject({ kind: "link", role: "viewer", usesLeft: 1, withoutAccount: false, scrollback: false });
    expect(made.path).toMatch(/^\/shared#[a-z0-9]{48}$/);
    const code = codeOf(made);
    expect(JSON.stringify(await sharesOf())).not.toContain(code);
    for (let time = 0; time < 2; time++) {
      const looked = await server.call("POST", "/v1/shares/look", { token: null, body: { code } });
      expect([looked.status, looked.json]).toEqual([
        200,
        {
          owner: "admin",
          title: "",
          role: "viewer",
          withoutAccount: "off",
          scrollback: false,
          expiresAt: made.expiresAt,
        },
      ]);
    }
    expect(await refusal(accept(server, code))).toEqual([401, "UNAUTHENTICATED"]);
    const { grant, accepted } = await accept(server, code, bob);
    expect(accepted).toMatchObject({ owner: "admin", role: "viewer", key: null });
    expect((await accept(server, code, bob)).grant).toBe(grant);
    const cyd = await addOwner(server.data, "cydcydcyd");
    expect(await refusal(accept(server, code, cyd))).toEqual([404, "SHARE_ENDED"]);
    expect(await refusal(accept(server, code, { token: server.token }))).toEqual([400, "BAD_REQUEST"]);
    const shared = await server.call("GET", "/v1/shared", { token: bob.token });
    expect(shared.json.terminals.map((one: { id: string }) => one.id)).toContain(grant);
    expect((await server.call("GET", "/v1/shared", { token: cyd.token })).json.terminals).toEqual([]);
    expect(
      (await look(server, { grant, accepted, headers: { authorization: `Bearer ${cyd.token}` } }).ended).code,
    ).toBe(404);
    expect((await server.call("DELETE", `/v1/shared/${grant}`, { token: cyd.token })).status).toBe(404);
    expect((await server.call("DELETE", `/v1/shared/${grant}`, { token: bob.token })).status).toBe(204);
  });

  it("gives nobody again what was taken from them: who left is back as what they were, who was removed is not", async () => {
    const terminal = await openTerminal(server, id);
    const code = codeOf(await share(server, id, terminal, { role: "editor" }));
    const { grant } = await accept(server, code, bob);
    expect((await server.ok("PATCH", `/v1/environments/${id}/grants/${grant}`, { role: "viewer" })).role).toBe(
      "viewer",
    );
    expect((await server.call("DELETE", `/v1/shared/${grant}`, { token: bob.token })).status).toBe(204);
    const back = await accept(server, code, bob);
    expect(back.accepted.role).toBe("viewer");
    expect((await server.call("DELETE", `/v1/environments/${id}/grants/${back.grant}`)).status).toBe(204);
    expect(await refusal(accept(server, code, bob))).toEqual([404, "SHARE_ENDED"]);
  });

  it("lets one in of two who spend its last use at once", async () => {
    const terminal = await openTerminal(server, id);
    const code = codeOf(await share(server, id, terminal, { uses: 1, withoutAccount: true }));
    const outcomes = await Promise.all([1, 2, 3, 4].map((n) => refusal(accept(server, code, { name: `n${n}` }))));
    expect(outcomes.filter((one) => one === "let in")).toHaveLength(1);
    expect(outcomes.filter((one) => one !== "let in")).toEqual(Array(3).fill([404, "SHARE_ENDED"]));
  });

  it("ends with its time, also for who is in", async () => {
    const terminal = await openTerminal(server, id);
    const made = await share(server, id, terminal);
    const letIn = await accept(server, codeOf(made), bob);
    change("update shares set expires_at = ? where id = ?", new Date(Date.now() + 1500).toISOString(), made.id);
    const viewer = await look(server, letIn).opened();
    expect((await viewer.ended).code).toBe(4401);
    expect((await look(server, letIn).ended).code).toBe(404);
    expect(await refusal(accept(server, codeOf(made), bob))).toEqual([404, "SHARE_ENDED"]);
  });

  it("is nothing while its maker is disabled, nor once the environment is another's", async () => {
    const terminal = await openTerminal(server, id);
    const letIn = await accept(server, codeOf(await share(server, id, terminal)), bob);
    const [owner] = change("select owner from environments where id = ?", id) as [{ owner: string }];
    change("update accounts set disabled_at = '2026' where id = ?", owner.owner);
    expect((await look(server, letIn).ended).code).toBe(404);
    change("update accounts set disabled_at = null where id = ?", owner.owner);
    // Not before: a connection asks once more, soon after it was opened, what its grant is.
    const viewer = await look(server, letIn).opened();
    const give = (body: object) => server.ok("POST", `/v1/admin/environments/${id}/transfer`, body);
    await give({ account: "bobbobbob", name: "given" });
    expect((await viewer.ended).code).toBe(4404);
    expect((await look(server, letIn).ended).code).toBe(404);
    await give({ account: owner.owner });
    expect(await sharesOf()).toEqual([]);
    expect((await look(server, letIn).ended).code).toBe(404);
  });

  it("is made and ended by the terminal's owner alone", async () => {
    const terminal = await openTerminal(server, id);
    const made = await share(server, id, terminal);
    const { grant } = await accept(server, codeOf(made), bob);
    for (const [method, path, body] of [
      ["POST", `/v1/environments/${id}/terminals/${terminal}/shares`, {}],
      ["GET", `/v1/environments/${id}/shares`, undefined],
      ["DELETE", `/v1/environments/${id}/shares/${made.id}`, undefined],
      ["PATCH", `/v1/environments/${id}/grants/${grant}`, { role: "editor" }],
      ["DELETE", `/v1/environments/${id}/grants/${grant}`, undefined],
      ["POST", `/v1/admin/environments/${id}/terminals/${terminal}/look-in`, undefined],
    ] as const) {
      const answer = await server.call(method, path, { token: bob.token, ...(body === undefined ? {} : { body }) });
      expect([path, answer.status]).toEqual([path, path.endsWith("look-in") ? 403 : 404]);
      const nobody = await server.call(method, path, { token: null, ...(body === undefined ? {} : { body }) });
      expect([path, nobody.status]).toEqual([path, 401]);
    }
  });
});

describe("a browser without an account", () => {
  it("has its own secret, in two halves, which is good for what it was granted and nothing else", async () => {
    const terminal = await openTerminal(server, id, CAT);
    const code = codeOf(await share(server, id, terminal, { withoutAccount: true }));
    const letIn = await accept(server, code, { name: "  Ann\u202e\u0000 <b>\n🙂 " });
    expect(letIn.headers.cookie).toMatch(/^microterm_share_\d+=[a-z0-9]{24}$/);
    expect((await accept(server, code, { headers: letIn.headers })).grant).toBe(letIn.grant);
    const [mine] = (await sharesOf())
      .flatMap((one: { grants: unknown[] }) => one.grants)
      .filter((one: { id: string }) => one.id === letIn.grant);
    expect(mine).toMatchObject({ name: "Ann <b> 🙂", isVerified: false, role: "viewer" });
    const as = (headers: Readonly<Record<string, string>>) =>
      server.call("GET", "/v1/shared", { token: null, headers });
    expect((await as(letIn.headers)).json.terminals).toHaveLength(1);
    const { cookie = "", "x-microterm-share": key = "", origin = "" } = letIn.headers;
    expect((await as({ cookie, origin })).status).toBe(401);
    expect((await as({ "x-microterm-share": key, origin })).status).toBe(401);
    const elsewhere = { cookie, "x-microterm-share": key, origin: "http://evil.example" };
    expect((await look(server, { ...letIn, headers: elsewhere }).ended).code).toBe(403);
    const { headers } = letIn;
    for (const path of [`/v1/environments/${id}`, "/v1/environments", "/v1/host", "/v1/session", "/v1/events"]) {
      expect([path, (await server.call("GET", path, { token: null, headers })).status]).toEqual([path, 401]);
    }
    expect(
      (await new TerminalClient(server, id, terminal, { headers: { ...headers, authorization: "" } }).ended).code,
    ).toBe(401);
    const viewer = await look(server, letIn).opened();
    expect(viewer.ready).toMatchObject({ role: "viewer", grant: letIn.grant, title: "", cwd: null });
    await viewer.close();
  });

  it("never types where the server forbids it, whatever the owner grants", async () => {
    const terminal = await openTerminal(server, id, CAT);
    const path = `/v1/environments/${id}/terminals/${terminal}/shares`;
    const refused = await server.call("POST", path, { body: { role: "editor", withoutAccount: true } });
    expect([refused.status, refused.json.code]).toEqual([403, "FORBIDDEN"]);
    const letIn = await accept(server, codeOf(await share(server, id, terminal, { withoutAccount: true })));
    const raised = await server.call("PATCH", `/v1/environments/${id}/grants/${letIn.grant}`, {
      body: { role: "editor" },
    });
    expect([raised.status, raised.json.code]).toEqual([403, "FORBIDDEN"]);
  });
});

describe("a share that ends", () => {
  it("closes what it opened at once: revoked, one grant of it removed, left", async () => {
    const terminal = await openTerminal(server, id, CAT);
    const made = await share(server, id, terminal, { withoutAccount: true });
    const [one, two, three] = await Promise.all([1, 2, 3].map((n) => accept(server, codeOf(made), { name: `n${n}` })));
    if (one === undefined || two === undefined || three === undefined) throw new Error("three were let in");
    const [first, second, third] = await Promise.all([one, two, three].map((letIn) => look(server, letIn).opened()));
    expect((await server.call("DELETE", `/v1/environments/${id}/grants/${one.grant}`)).status).toBe(204);
    expect((await first?.ended)?.code).toBe(4401);
    // With another cookie it could be the same person.
    expect(await refusal(accept(server, codeOf(made), { name: "n4" }))).toEqual([404, "SHARE_ENDED"]);
    expect((await sharesOf()).find((one: { id: string }) => one.id === made.id)).toMatchObject({
      withoutAccount: false,
    });
    expect((await server.call("DELETE", `/v1/shared/${two.grant}`, { token: null, headers: two.headers })).status).toBe(
      204,
    );
    expect((await second?.ended)?.code).toBe(4401);
    expect(third?.socket.readyState).toBe(1);
    expect((await server.call("DELETE", `/v1/environments/${id}/shares/${made.id}`)).status).toBe(204);
    expect((await third?.ended)?.code).toBe(4401);
    expect((await look(server, three).ended).code).toBe(404);
    expect(await refusal(accept(server, codeOf(made)))).toEqual([404, "SHARE_ENDED"]);
  });

  it("is looked at by a session for as long as that lasts, and counts no token that is none", async () => {
    const code = codeOf(await share(server, id, await openTerminal(server, id, CAT), { withoutAccount: true }));
    const { token } = await server.ok("POST", "/v1/links", { account: "bobbobbob" });
    const signedIn = await server.call("POST", "/v1/session", { token: null, body: { token } });
    const origin = `http://127.0.0.1:${server.port}`;
    const headers = { cookie: cookieOf(signedIn), "x-microterm-session": signedIn.json.key, origin };
    const letIn = await accept(server, code, { headers });
    expect(letIn.accepted).toMatchObject({ key: null });
    const elsewhere = { ...headers, origin: "http://evil.example" };
    expect(await refusal(accept(server, code, { headers: elsewhere }))).toEqual([403, "FORBIDDEN_ORIGIN"]);
    const viewer = await look(server, { ...letIn, headers }).opened();
    expect((await server.call("DELETE", "/v1/session", { token: null, headers })).status).toBe(204);
    expect((await viewer.ended).code).toBe(4401);
    expect(await refusal(accept(server, code, { token: "none" }))).toEqual([401, "UNAUTHENTICATED"]);
  });

  it("is no end of its environment's: it stays while that is stopped", async () => {
    const { id: other } = await server.environment();
    const made = await share(server, other, await openTerminal(server, other, CAT));
    const viewer = await look(server, await accept(server, codeOf(made), bob)).opened();
    await server.ok("POST", `/v1/environments/${other}/stop`);
    expect((await viewer.ended).code).toBe(4404);
    const { shares } = await server.ok("GET", `/v1/environments/${other}/shares`);
    expect(shares).toMatchObject([{ id: made.id, grants: [{ name: "bobbobbob" }] }]);
    const answer = await server.call("POST", "/v1/shares/look", { token: null, body: { code: codeOf(made) } });
    expect(answer.status).toBe(200);
  });

  it("is kept by a server that is killed, and goes with its environment", async () => {
    const other = await startServer();
    const { id: environment } = await other.environment();
    const terminal = await openTerminal(other, environment, CAT);
    const made = await share(other, environment, terminal, { withoutAccount: true });
    const letIn = await accept(other, codeOf(made), { name: "Zoe" });
    await other.kill("SIGKILL");
    const next = await startServer({ data: other.data });
    const { shares } = await next.ok("GET", `/v1/environments/${environment}/shares`);
    expect(shares).toMatchObject([{ id: made.id, usesLeft: 9, grants: [{ id: letIn.grant, name: "Zoe" }] }]);
    const cookie = letIn.headers.cookie?.replace(/_\d+=/, `_${next.port}=`) ?? "";
    const headers = { ...letIn.headers, cookie, origin: `http://127.0.0.1:${next.port}` };
    const viewer = await look(next, { ...letIn, headers }).opened();
    await next.ok("DELETE", `/v1/environments/${environment}`);
    expect((await viewer.ended).code).toBe(4404);
    expect((await next.call("GET", "/v1/shared", { token: null, headers })).json).toEqual({ terminals: [] });
    expect(await next.dispose()).toEqual([]);
  });
});

describe("an admin", () => {
  it("looks into another's terminal for an hour, and its owner is shown", async () => {
    const bobs = await server.call("POST", "/v1/environments", { token: bob.token, body: {} });
    const path = `/v1/environments/${bobs.json.id}`;
    await server.call("GET", `${path}/wait?state=running&timeoutMs=100000`, { token: bob.token });
    const { terminals } = (await server.call("GET", `${path}/terminals`, { token: bob.token })).json;
    const [{ id: terminal }] = terminals;
    const owner = await new TerminalClient(server, bobs.json.id, terminal, {
      presence: true,
      headers: { authorization: `Bearer ${bob.token}` },
    }).opened();
    const foreign = `/v1/admin/environments/${bobs.json.id}/terminals`;
    const { createdAt } = terminals[0];
    // Nothing of what is in them.
    expect(await server.ok("GET", foreign)).toEqual({ terminals: [{ id: terminal, createdAt }] });
    const granted = await server.ok("POST", `${foreign}/${terminal}/look-in`);
    expect(granted).toMatchObject({ kind: "look-in", role: "viewer", owner: "bobbobbob" });
    const admin = await look(server, {
      grant: granted.id,
      accepted: granted,
      headers: { authorization: `Bearer ${server.token}` },
    }).opened();
    const seen = () => owner.presences.at(-1)?.people.find(({ grant }) => grant === granted.id);
    await poll("the admin to be shown", () => seen()?.isLookIn === true);
    expect(seen()).toMatchObject({ name: "admin", isVerified: true, role: "viewer" });
    const raise = { token: bob.token, body: { role: "editor" } };
    expect((await server.call("PATCH", `${path}/grants/${granted.id}`, raise)).status).toBe(403);
    admin.type("x");
    await poll("the refusal", () => admin.frames.includes("NOTICE read-only"));
    const [listed] = (await server.call("GET", `${path}/terminals`, { token: bob.token })).json.terminals;
    expect(listed.presence.count).toBe(2);
    await Promise.all([owner.close(), admin.close()]);

    const { id: environment, name: environmentName } = bobs.json;
    const told = async (token = bob.token) => {
      const { acts } = (await server.call("GET", "/v1/account/admin-acts", { token })).json;
      return acts.filter((one: { environmentName: string }) => one.environmentName === environmentName);
    };
    const lookIn = { kind: "look-in", admin: "admin", environment, environmentName, recipient: null };
    expect(await told()).toMatchObject([lookIn]);
    const wish = { account: "admin", name: "taken-over" };
    await server.ok("POST", `/v1/admin/environments/${environment}/transfer`, wish);
    // By the name that he knows.
    const transfer = { kind: "transfer", admin: "admin", environment: null, environmentName, recipient: "admin" };
    expect(await told()).toMatchObject([transfer, lookIn]);
    expect(await told(server.token)).toEqual([]);
    await server.ok("DELETE", `/v1/environments/${environment}`);
    await poll("what was seen of it to be gone", async () => (await told()).length === 1);
    expect(await told()).toMatchObject([transfer]);
  });
});

// The last one: it uses up this address's failures of a minute.
describe("a code", () => {
  it("that is guessed is refused, and guesses are limited while a true one works", async () => {
    const terminal = await openTerminal(server, id);
    const code = codeOf(await share(server, id, terminal));
    const guess = () => server.call("POST", "/v1/shares/look", { token: null, body: { code: "a".repeat(48) } });
    const answers = await Promise.all(Array.from({ length: 30 }, guess));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([404, 429]));
    expect((await server.call("POST", "/v1/shares/look", { token: null, body: { code } })).status).toBe(200);
    for (const bad of ["", "a".repeat(47), "A".repeat(48), "a".repeat(60_000), 7, null]) {
      expect((await server.call("POST", "/v1/shares/accept", { token: null, body: { code: bad } })).status).toBe(400);
    }
  });
});
