import { type AuditEntry, CONNECT_SUBPROTOCOL } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { openBrowser, PASSWORD } from "../../support/people.ts";
import { type Answer, poll, startServer, type TestServer } from "../../support/server.ts";
import { accept, codeOf, look, openTerminal, share } from "../../support/sharing.ts";

const NEXT_PASSWORD = "nine paper boats, and rain";
const WRONG_PASSWORD = "a canary instead of a heron";
/** A password in the field of the name. */
const TYPED_AS_NAME = "kestrel-in-the-wrong-field";
const ANNS_ADDRESS = "127.0.0.7";

let server: TestServer;
/** Of all that was answered, for what must not be in the log. */
const secrets: string[] = [PASSWORD, NEXT_PASSWORD, WRONG_PASSWORD, TYPED_AS_NAME];
let seen = new Set<string>();
beforeAll(async () => {
  server = await startServer({ args: ["--anonymous-links", "viewer"] });
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

/** Entries since the last call, the oldest first. */
async function newEntries(): Promise<readonly AuditEntry[]> {
  const { entries }: { entries: readonly AuditEntry[] } = await server.ok("GET", "/v1/audit?limit=200");
  const fresh = entries.filter(({ id }) => !seen.has(id)).reverse();
  seen = new Set(entries.map(({ id }) => id));
  return fresh;
}

/** What was done, with what outcome, by whom and how they were signed in. */
const briefly = ({ action, outcome, code, account, via }: AuditEntry): string =>
  [action, code ?? outcome, account?.name ?? "nobody", via].join(" ");

function keep(answer: Answer): Answer {
  for (const line of answer.headers["set-cookie"] ?? []) secrets.push(/=([^;]*)/.exec(line)?.[1] ?? "");
  // `code` of an error is no secret.
  if (answer.status < 400) secrets.push(answer.json?.key, answer.json?.code, answer.json?.token);
  return answer;
}

const annsBrowser = () => openBrowser(server, { from: ANNS_ADDRESS });
/** As the data folder's owner. */
const admin = async (method: string, path: string, body?: unknown): Promise<Answer> =>
  keep(await server.call(method, path, body === undefined ? {} : { body }));

describe("the audit log tells of people", () => {
  it("how they come, sign in and out, and what they have of their own", async () => {
    const invitation = (await admin("POST", "/v1/invitations", { role: "member", uses: 1 })).json;
    const ann = annsBrowser();
    const accepted = keep(
      await ann.call("POST", "/v1/invitations/accept", { code: invitation.code, name: "ann", password: PASSWORD }),
    );
    expect(accepted.status).toBe(200);
    const { id } = accepted.json.account;
    await annsBrowser().call("POST", "/v1/invitations/look", { code: invitation.code });
    const [first] = (await ann.call("GET", "/v1/account/sessions")).json.sessions;
    await ann.call("DELETE", "/v1/session");
    expect(keep(await ann.call("POST", "/v1/session", { name: "ann", password: PASSWORD })).status).toBe(200);
    const other = annsBrowser();
    keep(await other.call("POST", "/v1/session", { name: "ann", password: PASSWORD }));
    const third = annsBrowser();
    keep(await third.call("POST", "/v1/session", { name: "ann", password: PASSWORD }));
    const token = keep(
      await ann.call("POST", "/v1/account/tokens", { name: "ci", scopes: ["exec"], expiresInSeconds: 3600 }),
    ).json;
    const byToken = { token: token.token, body: { name: "more", scopes: ["exec"], expiresInSeconds: null } };
    expect((await server.call("POST", "/v1/account/tokens", byToken)).status).toBe(403);
    await ann.call("DELETE", `/v1/account/tokens/${token.id}`);
    const { sessions } = (await other.call("GET", "/v1/account/sessions")).json;
    const others = sessions.find((one: { isCurrent: boolean }) => one.isCurrent).id;
    for (const status of [204, 404]) {
      expect((await ann.call("DELETE", `/v1/account/sessions/${others}`)).status).toBe(status);
    }
    await ann.call("DELETE", "/v1/account/sessions");
    await ann.call("PUT", "/v1/account/password", { current: WRONG_PASSWORD, password: NEXT_PASSWORD });
    expect((await ann.call("PUT", "/v1/account/password", { current: PASSWORD, password: NEXT_PASSWORD })).status).toBe(
      204,
    );
    const entries = await newEntries();
    expect(entries.map(briefly)).toEqual([
      "invitation.created done admin data-folder",
      "invitation.accepted done ann session",
      "sign-in done ann session",
      "sign-in.failed refused nobody none",
      "sign-out done ann session",
      "sign-in done ann session",
      "sign-in done ann session",
      "sign-in done ann session",
      "token.created done ann session",
      "token.created FORBIDDEN ann token",
      "token.revoked done ann session",
      "session.revoked done ann session",
      "session.revoked NOT_FOUND ann session",
      "session.revoked done ann session",
      "password.changed SIGN_IN_FAILED ann session",
      "password.changed done ann session",
    ]);
    expect(entries.map(({ target }) => target)).toEqual([
      ...[invitation.id, invitation.id, null, null, null, null, null, null],
      ...[token.id, null, token.id, others, others, null, id, id],
    ]);
    for (const { action, address } of entries) {
      // What the test asks for as the admin, and with the token.
      if (action === "invitation.created" || action === "token.created") continue;
      expect(address).toBe(ANNS_ADDRESS);
    }
    expect(entries.slice(1, 5).map(({ credential }) => credential)).toEqual([first.id, first.id, null, first.id]);
    expect(entries.slice(0, 9).map(({ detail }) => detail)).toEqual([
      { role: "member", uses: 1, expiresAt: invitation.expiresAt },
      { role: "member" },
      { way: "invitation" },
      { way: "invitation" },
      {},
      ...Array.from({ length: 3 }, () => ({ way: "password" })),
      { name: "ci", scopes: ["exec"], expiresAt: token.expiresAt },
    ]);
  });

  it("which sign-ins failed, and of names that are none nothing", async () => {
    const wrong = (name: string) => annsBrowser().call("POST", "/v1/session", { name, password: WRONG_PASSWORD });
    expect([(await wrong("ann")).status, (await wrong(TYPED_AS_NAME)).status]).toEqual([401, 401]);
    expect((await annsBrowser().call("POST", "/v1/session", { token: "a".repeat(48) })).status).toBe(401);
    const link = (await admin("POST", "/v1/links", { account: "ann" })).json.token;
    for (const status of [200, 401]) {
      expect(keep(await annsBrowser().call("POST", "/v1/session", { token: link })).status).toBe(status);
    }
    const reset = { code: "b".repeat(48), password: NEXT_PASSWORD };
    expect((await annsBrowser().call("POST", "/v1/resets/accept", reset)).status).toBe(404);
    const entries: AuditEntry[] = [];
    await poll("the entries", async () => entries.push(...(await newEntries())) >= 6);
    // Written after the answer, so that the time of it says nothing.
    const told = entries.map(({ action, address, detail }) => [action, address, detail]);
    expect(told).toHaveLength(6);
    expect(told).toEqual(
      expect.arrayContaining([
        ["sign-in.failed", ANNS_ADDRESS, { way: "password", name: "ann" }],
        ["sign-in.failed", ANNS_ADDRESS, { way: "password" }],
        ["sign-in.failed", ANNS_ADDRESS, { way: "link" }],
        ["link.created", "127.0.0.1", { name: "ann" }],
        ["sign-in", ANNS_ADDRESS, { way: "link" }],
        ["sign-in.failed", ANNS_ADDRESS, { way: "reset" }],
      ]),
    );
  });

  it("what admins do to accounts, and what becomes of their environments", async () => {
    const made = (await admin("POST", "/v1/accounts", { name: "bob", role: "member" })).json;
    const { id } = made.account;
    const bob = openBrowser(server);
    expect(keep(await bob.call("POST", "/v1/resets/accept", { code: made.code, password: PASSWORD })).status).toBe(200);
    const environment = (await bob.call("POST", "/v1/environments", { name: "bobs" })).json;
    const stateOf = async () => (await server.ok("GET", `/v1/environments/${environment.id}`)).state;
    await poll("the environment", async () => (await stateOf()) === "running");
    // A visitor's hours of running are used up at once.
    await admin("PATCH", "/v1/accounts/bob", { role: "admin" });
    await admin("PATCH", "/v1/accounts/bob", { disabled: true, graceSeconds: 0 });
    await poll("its stop", async () => (await stateOf()) === "stopped");
    await admin("PATCH", "/v1/accounts/bob", { role: "member", disabled: false });
    await admin("POST", "/v1/accounts/bob/reset");
    expect((await admin("DELETE", "/v1/accounts/bob")).status).toBe(409);
    expect((await admin("DELETE", "/v1/accounts/bob?environments=destroy")).status).toBe(204);
    expect((await admin("PATCH", "/v1/accounts/admin", { role: "member" })).status).toBe(409);
    expect((await admin("PATCH", "/v1/accounts/nobody-there", { disabled: true })).status).toBe(404);
    const invitation = (await admin("POST", "/v1/invitations", {})).json;
    for (const _time of [1, 2]) await admin("DELETE", `/v1/invitations/${invitation.id}`);
    const entries = await newEntries();
    expect(entries.map((entry) => `${briefly(entry)} ${entry.target === id ? "bob" : entry.target}`)).toEqual([
      "account.created done admin data-folder bob",
      "password.changed done bob session bob",
      "sign-in done bob session null",
      "environment.created done bob session null",
      "account.changed done admin data-folder bob",
      "account.disabled done admin data-folder bob",
      "environment.stopped done nobody server null",
      "account.changed done admin data-folder bob",
      "account.enabled done admin data-folder bob",
      "account.reset done admin data-folder bob",
      "account.removed ACCOUNT_IN_USE admin data-folder bob",
      "account.disabled done admin data-folder bob",
      "environment.destroyed done admin data-folder null",
      "account.removed done admin data-folder bob",
      "account.changed LAST_ADMIN admin data-folder admin",
      "account.disabled ACCOUNT_NOT_FOUND admin data-folder nobody-there",
      `invitation.created done admin data-folder ${invitation.id}`,
      `invitation.revoked done admin data-folder ${invitation.id}`,
      `invitation.revoked NOT_FOUND admin data-folder ${invitation.id}`,
    ]);
    const details = new Map(entries.map(({ action, detail }) => [action, detail]));
    expect(details.get("account.created")).toEqual({ name: "bob", role: "member" });
    expect(details.get("sign-in")).toEqual({ way: "reset" });
    expect(details.get("environment.stopped")).toEqual({ reason: "its account is disabled" });
    expect(details.get("environment.destroyed")).toEqual({ reason: "its account is removed" });
    expect(entries.find(({ action }) => action === "environment.destroyed")?.environment).toEqual({
      id: environment.id,
      name: "bobs",
    });
  });

  it("what is shared with whom, until when they leave or are let in no longer", async () => {
    const { id } = await server.environment("shown");
    const terminal = await openTerminal(server, id);
    const anns = { headers: await signedIn("ann", NEXT_PASSWORD) };
    await newEntries();
    const link = await share(server, id, terminal, { uses: 5, withoutAccount: true });
    const code = codeOf(link);
    secrets.push(code);
    const ann = await accept(server, code, anns);
    // The same one again spends nothing.
    await accept(server, code, anns);
    const somebody = await accept(server, code, { name: "passer-by" });
    const guess = { token: null, body: { code: "c".repeat(48) } };
    expect((await server.call("POST", "/v1/shares/look", guess)).json.code).toBe("SHARE_ENDED");
    const grants = `/v1/environments/${id}/grants`;
    expect((await admin("PATCH", `${grants}/${ann.grant}`, { role: "editor" })).status).toBe(200);
    expect((await admin("PATCH", `${grants}/${somebody.grant}`, { role: "editor" })).status).toBe(403);
    expect((await leave(ann)).status).toBe(204);
    expect((await admin("DELETE", `${grants}/${somebody.grant}`)).status).toBe(204);
    const named = await share(server, id, terminal, { account: "ann", role: "editor" });
    const shares = `/v1/environments/${id}/shares`;
    for (const status of [204, 404]) expect((await admin("DELETE", `${shares}/${named.id}`)).status).toBe(status);
    const entries = await newEntries();
    expect(entries.map((entry) => `${briefly(entry)} ${entry.target}`)).toEqual([
      `share.created done admin data-folder ${link.id}`,
      `share.accepted done ann session ${ann.grant}`,
      `share.accepted done nobody none ${somebody.grant}`,
      "sign-in.failed refused nobody none null",
      `share.changed done admin data-folder ${ann.grant}`,
      `share.changed FORBIDDEN admin data-folder ${somebody.grant}`,
      `share.left done ann session ${ann.grant}`,
      `share.revoked done admin data-folder ${somebody.grant}`,
      `share.created done admin data-folder ${named.id}`,
      `share.revoked done admin data-folder ${named.id}`,
      `share.revoked NOT_FOUND admin data-folder ${named.id}`,
    ]);
    for (const { outcome, environment } of entries) {
      if (outcome === "done") expect(environment).toEqual({ id, name: "shown" });
    }
    expect(entries.map(({ detail }) => detail)).toEqual([
      ...[{ terminal, role: "viewer" }, { terminal, role: "viewer" }, { terminal, role: "viewer" }, { way: "share" }],
      ...[{ terminal, role: "editor", account: "ann" }, { role: "editor" }],
      ...[
        { terminal, role: "editor", account: "ann" },
        { terminal, role: "viewer" },
      ],
      ...[{ terminal, role: "editor", account: "ann" }, {}, {}],
    ]);
    expect(entries[2]?.address).toBe("127.0.0.1");
  });

  it("who came to a terminal by a grant, with an account or without, and to a port by a tunnel", async () => {
    const { id } = await server.environment("visited");
    const terminal = await openTerminal(server, id);
    const code = codeOf(await share(server, id, terminal, { uses: 5, withoutAccount: true }));
    secrets.push(code);
    const ann = await accept(server, code, { headers: await signedIn("ann", NEXT_PASSWORD) });
    const somebody = await accept(server, code, { name: "passer-by" });
    for (const one of [ann, somebody]) await (await look(server, one).opened()).close();
    const address = `${server.url.replace("http", "ws")}/v1/environments/${id}/ports/3000/connect`;
    const headers = { authorization: `Bearer ${server.token}` };
    const socket = new WebSocket(address, CONNECT_SUBPROTOCOL, { headers });
    await new Promise((resolve) => socket.on("close", resolve));
    const entries: AuditEntry[] = [];
    const told = () => entries.filter(({ action }) => action === "terminal.attached" || action === "preview.opened");
    await poll("the entries", async () => {
      entries.push(...(await newEntries()));
      return told().length >= 3;
    });
    expect(told().map((entry) => [briefly(entry), entry.target, entry.address, entry.detail])).toEqual([
      ["terminal.attached done ann session", ann.grant, "127.0.0.1", { terminal, role: "viewer" }],
      ["terminal.attached done nobody none", somebody.grant, "127.0.0.1", { terminal, role: "viewer" }],
      ["preview.opened done admin data-folder", null, "127.0.0.1", { port: 3000 }],
    ]);
  });

  it("which admin looked into whose terminal", async () => {
    const headers = await signedIn("ann", NEXT_PASSWORD);
    const call = (method: string, path: string, body = {}) => server.call(method, path, { token: null, headers, body });
    const { id } = (await call("POST", "/v1/environments", { name: "anns" })).json;
    const stateOf = async () => (await server.ok("GET", `/v1/environments/${id}`)).state;
    await poll("the environment", async () => (await stateOf()) === "running");
    const terminal = (await call("POST", `/v1/environments/${id}/terminals`)).json.id;
    const { id: shown } = await server.environment("of-the-admin");
    await newEntries();
    const lookIn = `/v1/admin/environments/${id}/terminals/${terminal}/look-in`;
    expect((await admin("POST", lookIn)).status).toBe(201);
    expect((await call("POST", lookIn.replace(id, shown))).status).toBe(403);
    const entries = await newEntries();
    expect(entries.map(briefly)).toEqual([
      "terminal.look-in done admin data-folder",
      "terminal.look-in FORBIDDEN ann session",
    ]);
    expect(entries[0]).toMatchObject({ environment: { id, name: "anns" }, detail: { terminal } });
    expect(entries[1]).toMatchObject({ environment: null, target: shown });
    expect((await admin("DELETE", `/v1/environments/${id}`)).status).toBe(200);
  });

  it("without one of their secrets", async () => {
    const log = (await server.call("GET", "/v1/audit/export")).text;
    expect(log).toContain('"share.accepted"');
    const all = secrets.filter((secret) => typeof secret === "string" && secret.length > 10);
    expect(all.length).toBeGreaterThan(20);
    for (const secret of all) expect(log).not.toContain(secret);
    expect(log).not.toContain("kestrel");
  });
});

async function signedIn(name: string, password: string): Promise<Readonly<Record<string, string>>> {
  const browser = openBrowser(server);
  expect(keep(await browser.call("POST", "/v1/session", { name, password })).status).toBe(200);
  return browser.headers;
}

const leave = ({ grant, headers }: Pick<Awaited<ReturnType<typeof accept>>, "grant" | "headers">): Promise<Answer> =>
  server.call("DELETE", `/v1/shared/${grant}`, { token: null, headers });
