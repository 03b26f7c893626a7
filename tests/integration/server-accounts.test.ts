import type { Account } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { invite, openBrowser, PASSWORD, type Person } from "../../support/people.ts";
import { type Answer, poll, startServer, type TestServer } from "../../support/server.ts";
import { TerminalClient } from "../../support/terminal-client.ts";

const OTHER_PASSWORD = "nine paper boats, and rain";

let server: TestServer;
let count = 0;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

const outcome = ({ status, json }: Answer): readonly unknown[] => [status, json?.code];
const fresh = (): string => `person${++count}`;
const somebody = (role?: string): Promise<Person> => invite(server, fresh(), role);
const signIn = (name: string, password: string, browser = openBrowser(server)): Promise<Answer> =>
  browser.call("POST", "/v1/session", { name, password });
const newCode = async (wish: object = {}): Promise<string> => (await server.ok("POST", "/v1/invitations", wish)).code;
const accept = (code: string, name: string, password = PASSWORD): Promise<Answer> =>
  openBrowser(server).call("POST", "/v1/invitations/accept", { code, name, password });

describe("an invitation", () => {
  it("is looked at as often as one likes, and makes an account of its role that is signed in", async () => {
    const code = await newCode({ role: "visitor" });
    const browser = openBrowser(server);
    for (const _look of [1, 2]) {
      const terms = await browser.call("POST", "/v1/invitations/look", { code });
      expect([terms.status, terms.json.role]).toEqual([200, "visitor"]);
    }
    const name = fresh();
    const answer = await browser.call("POST", "/v1/invitations/accept", { code, name, password: PASSWORD });
    expect(answer.json.account).toMatchObject({ name, role: "visitor" });
    expect((await browser.call("GET", "/v1/session")).json).toMatchObject({
      account: { name },
      via: "session",
      scopes: null,
    });
    expect(outcome(await accept(code, fresh()))).toEqual([404, "INVITATION_INVALID"]);
  });

  it("is used as often as it says, however many try at once, and a name that is taken uses nothing up", async () => {
    const code = await newCode({ uses: 2 });
    const { name } = await somebody();
    expect(outcome(await accept(code, name))).toEqual([409, "NAME_TAKEN"]);
    const answers = await Promise.all(Array.from({ length: 5 }, () => accept(code, fresh())));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 404, 404, 404]);
  });

  it("gives one name to one of two at once", async () => {
    const code = await newCode({ uses: 5 });
    const name = fresh();
    const answers = await Promise.all([accept(code, name), accept(code, name)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    const { invitations } = await server.ok("GET", "/v1/invitations");
    expect(invitations.at(-1)).toMatchObject({ usesLeft: 4, createdBy: "admin" });
  });

  it("lets nobody in once the admin who made it is none any more", async () => {
    const admin = await somebody("admin");
    const { code } = (await admin.call("POST", "/v1/invitations", { role: "admin", uses: 5 })).json;
    await server.ok("PATCH", `/v1/accounts/${admin.name}`, { role: "member" });
    const looked = await openBrowser(server).call("POST", "/v1/invitations/look", { code });
    expect(outcome(looked)).toEqual([404, "INVITATION_INVALID"]);
    expect(outcome(await accept(code, fresh()))).toEqual([404, "INVITATION_INVALID"]);
    await server.ok("DELETE", `/v1/accounts/${admin.name}`);
  });

  it("is withdrawn by its id, and known by its code alone", async () => {
    const { id, code } = await server.ok("POST", "/v1/invitations", {});
    expect((await server.call("GET", "/v1/invitations")).text).not.toContain(code);
    expect((await server.call("DELETE", `/v1/invitations/${id}`)).status).toBe(204);
    expect(outcome(await server.call("DELETE", `/v1/invitations/${id}`))).toEqual([404, "NOT_FOUND"]);
    expect(outcome(await accept(code, fresh()))).toEqual([404, "INVITATION_INVALID"]);
  });
});

describe("what an admin says of accounts", () => {
  it.each([
    ["POST", "/v1/invitations", { role: "owner" }],
    ["POST", "/v1/invitations", { uses: 0 }],
    ["POST", "/v1/invitations", { uses: 1e9 }],
    ["POST", "/v1/invitations", { expiresInSeconds: -1 }],
    ["POST", "/v1/invitations", { code: "mine" }],
    ["POST", "/v1/accounts", { name: "" }],
    ["POST", "/v1/accounts", { name: "<b>" }],
    ["POST", "/v1/accounts", { name: "a\u202eb" }],
    ["POST", "/v1/accounts", { name: "🙂" }],
    ["POST", "/v1/accounts", { name: "x".repeat(60_000) }],
    ["PATCH", "/v1/accounts/admin", { role: "root" }],
    ["PATCH", "/v1/accounts/admin", { disabled: "yes" }],
    ["PATCH", "/v1/accounts/admin", { graceSeconds: 1e9 }],
    ["PATCH", "/v1/accounts/%00", {}],
    ["DELETE", "/v1/accounts/..%2f..%2fetc", undefined],
    ["DELETE", "/v1/accounts/admin?environments=all", undefined],
    ["POST", "/v1/invitations/look", { code: "x".repeat(129) }],
    ["POST", "/v1/invitations/look", { code: "" }],
    ["POST", "/v1/resets/accept", { code: "0123456789abcdef" }],
  ])("%s %s is not %j", async (method, path, body) => {
    expect(outcome(await server.call(method, path, body === undefined ? {} : { body }))).toEqual([400, "BAD_REQUEST"]);
  });

  it("is not guessed by codes of whatever bytes", async () => {
    for (const code of ["<script>alert(1)</script>", "\u202e".repeat(20), "🙂".repeat(20), "' or 1=1 -- ".repeat(3)]) {
      expect(outcome(await accept(code, fresh()))).toEqual([404, "INVITATION_INVALID"]);
    }
  });
});

describe("a sign-in by password", () => {
  it("makes a session of its own each time, whatever the browser had before", async () => {
    const { name } = await somebody();
    const browser = openBrowser(server);
    await signIn(name, PASSWORD, browser);
    const before = browser.headers;
    await signIn(name, PASSWORD, browser);
    expect(browser.headers.cookie).not.toBe(before.cookie);
    expect(browser.headers["x-microterm-session"]).not.toBe(before["x-microterm-session"]);
    // What somebody else has put there is not taken over.
    const cookie = `microterm_session_${server.port}=${"a".repeat(24)}`;
    const answer = await server.call("POST", "/v1/session", {
      token: null,
      headers: { cookie },
      body: { name, password: PASSWORD },
    });
    expect(answer.headers["set-cookie"]?.[0]).not.toContain("a".repeat(24));
  });

  it("answers the same for every reason of a refusal", async () => {
    const { name } = await somebody();
    const disabled = await somebody();
    await server.ok("PATCH", `/v1/accounts/${disabled.name}`, { disabled: true });
    const { detail } = (await signIn(name, "not the password")).json;
    for (const [who, password] of [
      ["nobody-of-this-name", PASSWORD],
      ["admin", PASSWORD],
      [disabled.name, PASSWORD],
      ["<b>\u202eевил\u0000🙂", PASSWORD],
      [name, `${PASSWORD} `],
    ]) {
      const answer = await signIn(who ?? "", password ?? "");
      expect([who, ...outcome(answer), answer.json.detail]).toEqual([who, 401, "SIGN_IN_FAILED", detail]);
    }
  });

  it.each([
    { name: "", password: PASSWORD },
    { name: "x".repeat(129), password: PASSWORD },
    { name: "ann", password: "" },
    { name: "ann", password: "x".repeat(1025) },
    { name: "ann" },
    { name: ["ann"], password: PASSWORD },
    { name: "ann", password: PASSWORD, role: "admin" },
    {},
  ])("takes no %j", async (body) => {
    expect(outcome(await openBrowser(server).call("POST", "/v1/session", body))).toEqual([400, "BAD_REQUEST"]);
  });

  it("is refused to who guesses, and not to a browser that the owner has signed in with, nor elsewhere", async () => {
    const owner = await somebody();
    const guess = () => signIn(owner.name, "not the password", openBrowser(server));
    const guesses = await Promise.all(Array.from({ length: 15 }, guess));
    expect(guesses.map(({ status }) => status).filter((status) => status === 429)).toHaveLength(5);
    // At the same address: a browser that is known is let in, another one has to wait.
    expect((await owner.call("DELETE", "/v1/session")).status).toBe(204);
    expect((await signIn(owner.name, PASSWORD, owner)).status).toBe(200);
    expect(outcome(await signIn(owner.name, PASSWORD))).toEqual([429, "TOO_MANY"]);
    expect((await signIn(owner.name, PASSWORD, openBrowser(server, { from: "127.0.0.2" }))).status).toBe(200);
  });
});

describe("a password", () => {
  it.each([
    "short",
    "x".repeat(129),
    "passwordpassword",
    "Password2026!!",
    "123456789012",
    "aaaaaaaaaaaa",
    "\ud800 is no character",
  ])("is not set to %j", async (password) => {
    const code = await newCode();
    const answer = await accept(code, fresh(), password);
    expect(outcome(answer)).toEqual([400, "BAD_REQUEST"]);
    expect(answer.json.details.fields[0].field).toBe("password");
    expect((await accept(code, fresh(), "пароль, которого нет в списке 🙂")).status).toBe(200);
  });

  it("is changed by who knows it, and all other sessions end", async () => {
    const person = await somebody();
    const elsewhere = openBrowser(server);
    await signIn(person.name, PASSWORD, elsewhere);
    const change = (current: string | undefined) =>
      person.call("PUT", "/v1/account/password", { current, password: OTHER_PASSWORD });
    expect(outcome(await change(undefined))).toEqual([401, "SIGN_IN_FAILED"]);
    expect(outcome(await change("wrong"))).toEqual([401, "SIGN_IN_FAILED"]);
    expect((await change(PASSWORD)).status).toBe(204);
    expect((await person.call("GET", "/v1/session")).status).toBe(200);
    expect((await elsewhere.call("GET", "/v1/session")).status).toBe(401);
    expect((await signIn(person.name, PASSWORD)).status).toBe(401);
    expect((await signIn(person.name, OTHER_PASSWORD)).status).toBe(200);
  });

  it("is reset by a link that works once, and ends nothing before it is used", async () => {
    const person = await somebody();
    const { code } = await server.ok("POST", `/v1/accounts/${person.name}/reset`);
    expect((await person.call("GET", "/v1/session")).status).toBe(200);
    expect((await signIn(person.name, PASSWORD)).status).toBe(200);
    const reset = (): Promise<Answer> =>
      openBrowser(server).call("POST", "/v1/resets/accept", { code, password: OTHER_PASSWORD });
    const answers = await Promise.all([reset(), reset()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 404]);
    expect((await person.call("GET", "/v1/session")).status).toBe(401);
    expect((await signIn(person.name, OTHER_PASSWORD)).status).toBe(200);
  });
});

describe("sessions", () => {
  it("are listed with device, place and last use, and end one by one or all", async () => {
    const person = await somebody();
    const safari =
      "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/26.0 Safari/605.1.15 <script>alert(1)</script>";
    const others = await Promise.all(
      [safari, undefined].map(async (userAgent) => {
        const browser = openBrowser(server, userAgent === undefined ? {} : { userAgent });
        await signIn(person.name, PASSWORD, browser);
        return browser;
      }),
    );
    const list = async () => (await person.call("GET", "/v1/account/sessions")).json.sessions;
    const listed = await list();
    expect(listed).toHaveLength(3);
    expect(listed).toContainEqual(
      expect.objectContaining({
        device: "Firefox on Linux",
        address: "127.0.0.1",
        isCurrent: true,
        lastUsedAt: expect.any(String),
      }),
    );
    const mac = listed.find(({ device }: { device: string }) => device === "Safari on macOS");
    expect((await person.call("DELETE", `/v1/account/sessions/${mac.id}`)).status).toBe(204);
    expect((await others[0]?.call("GET", "/v1/session"))?.status).toBe(401);
    expect((await others[1]?.call("GET", "/v1/session"))?.status).toBe(200);
    expect((await person.call("DELETE", "/v1/account/sessions")).status).toBe(204);
    expect((await others[1]?.call("GET", "/v1/session"))?.status).toBe(401);
    expect(await list()).toHaveLength(1);
  });

  it("of others cannot be ended", async () => {
    const [one, other] = [await somebody(), await somebody()];
    const [{ id }] = (await other.call("GET", "/v1/account/sessions")).json.sessions;
    expect(outcome(await one.call("DELETE", `/v1/account/sessions/${id}`))).toEqual([404, "NOT_FOUND"]);
  });
});

describe("tokens", () => {
  const make = async (person: Person, wish: object) =>
    (await person.call("POST", "/v1/account/tokens", { name: "one", scopes: ["exec"], ...wish })).json;

  it("do what their scopes say, never manage the account, and are shown once", async () => {
    const person = await somebody();
    const { token, id } = await make(person, { scopes: ["environments:read"], name: "reads 🙂" });
    expect(token).toMatch(/^mt_[a-z0-9]{48}$/);
    const call = (method: string, path: string, body?: unknown) =>
      server.call(method, path, body === undefined ? { token } : { token, body });
    expect((await call("GET", "/v1/environments")).status).toBe(200);
    expect(outcome(await call("POST", "/v1/environments", {}))).toEqual([403, "FORBIDDEN"]);
    for (const path of ["/v1/account/tokens", "/v1/account/sessions", "/v1/accounts"]) {
      expect([path, ...outcome(await call("GET", path))]).toEqual([path, 403, "FORBIDDEN"]);
    }
    expect((await call("GET", "/v1/session")).json).toMatchObject({ via: "token", scopes: ["environments:read"] });
    const listed = await person.call("GET", "/v1/account/tokens");
    expect(listed.text).not.toContain(token);
    expect(listed.json.tokens).toMatchObject([{ id, name: "reads 🙂", lastUsedAt: expect.any(String) }]);
    expect((await person.call("DELETE", `/v1/account/tokens/${id}`)).status).toBe(204);
    expect((await call("GET", "/v1/environments")).status).toBe(401);
  });

  it("end after 90 days, or as said, or not at all where that is said", async () => {
    const person = await somebody();
    const days = ({ expiresAt }: { expiresAt: string }) =>
      Math.round((Date.parse(expiresAt) - Date.now()) / 86_400_000);
    expect(days(await make(person, {}))).toBe(90);
    expect(days(await make(person, { expiresInSeconds: 86_400 }))).toBe(1);
    expect((await make(person, { expiresInSeconds: null })).expiresAt).toBeNull();
  });

  it.each([
    { name: "" },
    { name: "x".repeat(65) },
    { name: "a\u202eb" },
    { name: "a\nb" },
    { name: "\u001b[31m" },
    { scopes: [] },
    { scopes: ["all"] },
    { scopes: null },
    { expiresInSeconds: 0 },
    { expiresInSeconds: 1e12 },
    { secret: "mine" },
  ])("take no %j", async (wish) => {
    expect(await make(await somebody(), wish)).toMatchObject({ code: "BAD_REQUEST" });
  });
});

describe("what a credential has opened", () => {
  it.each(["session", "token", "disabling", "role", "removal"])(
    "is closed at once by the end of it: %s",
    async (way) => {
      const person = await somebody();
      const { id } = (await person.call("POST", "/v1/environments", {})).json;
      const { terminals } = (await person.call("GET", `/v1/environments/${id}/wait?state=running&timeoutMs=100000`))
        .json;
      const { token, id: tokenId } = (
        await person.call("POST", "/v1/account/tokens", { name: "one", scopes: ["exec", "environments:read"] })
      ).json;
      const headers = way === "token" ? { authorization: `Bearer ${token}` } : { authorization: "", ...person.headers };
      const client = await new TerminalClient(server, id, terminals[0].id, { headers }).opened();
      if (way === "session") await person.call("DELETE", "/v1/session");
      else if (way === "token") await person.call("DELETE", `/v1/account/tokens/${tokenId}`);
      else if (way === "disabling") await server.ok("PATCH", `/v1/accounts/${person.name}`, { disabled: true });
      else if (way === "role") await server.ok("PATCH", `/v1/accounts/${person.id}`, { role: "visitor" });
      else await server.ok("DELETE", `/v1/accounts/${person.name}?environments=destroy`);
      expect((await client.ended).code).toBe(4401);
      if (way !== "removal") await server.ok("DELETE", `/v1/accounts/${person.name}?environments=destroy`);
    },
  );
});

describe("an admin", () => {
  it("of the data folder stays one, and enabled", async () => {
    for (const change of [{ disabled: true }, { role: "member" }]) {
      expect(outcome(await server.call("PATCH", "/v1/accounts/admin", { body: change }))).toEqual([409, "LAST_ADMIN"]);
    }
    expect(outcome(await server.call("DELETE", "/v1/accounts/admin"))).toEqual([409, "LAST_ADMIN"]);
    const other = await somebody("admin");
    expect(outcome(await other.call("PATCH", "/v1/accounts/admin", { disabled: true }))).toEqual([409, "LAST_ADMIN"]);
    expect((await other.call("PATCH", `/v1/accounts/${other.name}`, { role: "member" })).status).toBe(200);
    expect(outcome(await other.call("GET", "/v1/accounts"))).toEqual([403, "FORBIDDEN"]);
  });

  it("stops what a disabled account runs when its grace time is over, and removes it with what it has", async () => {
    const person = await somebody();
    const { id } = (await person.call("POST", "/v1/environments", {})).json;
    await person.call("GET", `/v1/environments/${id}/wait?state=running&timeoutMs=100000`);
    const patch = (body: object) => server.ok("PATCH", `/v1/accounts/${person.name}`, body);
    const disabled = await patch({ disabled: true });
    expect(Date.parse(disabled.stopsAt) - Date.now()).toBeGreaterThan(23 * 3_600_000);
    expect((await person.call("GET", "/v1/session")).status).toBe(401);
    expect((await patch({ disabled: false })).stopsAt).toBeNull();
    expect((await signIn(person.name, PASSWORD, person)).status).toBe(200);
    await patch({ disabled: true, graceSeconds: 1 });
    await server.ok("GET", `/v1/environments/${id}/wait?state=stopped&timeoutMs=100000`);
    const stopsAt = async (): Promise<string | null> =>
      (await server.ok("GET", "/v1/accounts")).accounts.find(({ name }: Account) => name === person.name).stopsAt;
    await poll("nothing to be left to stop", async () => (await stopsAt()) === null);
    expect(outcome(await server.call("DELETE", `/v1/accounts/${person.name}`))).toEqual([409, "ACCOUNT_IN_USE"]);
    expect((await server.call("DELETE", `/v1/accounts/${person.name}?environments=destroy`)).status).toBe(204);
    expect(outcome(await server.call("PATCH", `/v1/accounts/${person.name}`, { body: {} }))).toEqual([
      404,
      "ACCOUNT_NOT_FOUND",
    ]);
  });
});
