/** Signing in at a real provider, over HTTP as browsers do it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeOidcFile } from "../../support/oidc-file.ts";
import { startOidcProvider, type TestProvider } from "../../support/oidc-provider.ts";
import { openBrowser, PASSWORD } from "../../support/people.ts";
import { openProviderBrowser } from "../../support/provider-browser.ts";
import { type Answer, type Call, poll, startServer, type TestServer } from "../../support/server.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";

let folder: TempFolder;
let provider: TestProvider;
let server: TestServer;

const GROUPS = { admin: ["ops"], member: ["dev"], visitor: ["guests"] };
const outcome = ({ status, json }: Answer): readonly unknown[] => [status, json?.code];
const signInAs = (who: string, to?: string) => openProviderBrowser(server).signIn(who, to);
const accountOf = async (name: string) =>
  (await server.ok("GET", "/v1/accounts")).accounts.find((one: { name: string }) => one.name === name);

beforeAll(async () => {
  folder = await makeTempFolder();
  provider = await startOidcProvider();
  const file = await writeOidcFile(folder.path, provider.issuer, { groups: GROUPS });
  server = await startServer({ args: ["--oidc", file] });
  provider.redirectUris.add(`${server.url}/v1/sign-in/oidc/callback`);
});
afterAll(async () => {
  const left = await server?.dispose();
  await provider?.close();
  await folder?.remove();
  expect(left).toEqual([]);
});

describe("a first sign-in at the provider", () => {
  it("makes an account of the groups' role, and leads to where one wanted to go", async () => {
    expect((await server.call("GET", "/v1/sign-in", { token: null })).json.oidc).toEqual({ name: "Example SSO" });
    provider.people.set("s-1", { preferred_username: "Ann Lee", email: "ann@example.org", groups: ["x", "dev"] });
    const answer = await signInAs("s-1", "/e/abcdefghijkl?tab=2");
    expect(answer.json.account).toMatchObject({ name: "ann-lee", role: "member" });
    expect(await accountOf("ann-lee")).toMatchObject({ hasPassword: false, hasIdentity: true });
  });

  it("is a session like any other, whose cookie alone is worth nothing, and which ends by signing out", async () => {
    provider.people.set("s-2", { preferred_username: "bob", groups: "guests" });
    const browser = openProviderBrowser(server);
    expect((await browser.signIn("s-2")).status).toBe(200);
    expect((await browser.call("GET", "/v1/session")).json).toMatchObject({
      account: { name: "bob", role: "visitor" },
    });
    expect((await browser.call("DELETE", "/v1/session")).status).toBe(204);
    expect((await browser.call("GET", "/v1/session")).status).toBe(401);
  });

  it.each([
    ["in no group", { preferred_username: "eve", groups: ["others"] }],
    ["without groups", { preferred_username: "eve" }],
    ["whose groups are something else", { preferred_username: "eve", groups: { dev: true } as never }],
  ])("is refused to somebody %s, on a page that says so", async (what, person) => {
    provider.people.set(what, person);
    const answer = await signInAs(what);
    expect([answer.status, answer.headers["content-type"]]).toEqual([403, "text/html; charset=utf-8"]);
    expect(answer.text).toContain("you are in none of the groups");
    expect(answer.text).toContain('href="/sign-in"');
    expect(await accountOf("eve")).toBeUndefined();
    const { entries } = await server.ok("GET", "/v1/audit?action=sign-in.failed");
    expect(entries.at(-1)).toMatchObject({ detail: { way: "oidc" }, address: "127.0.0.1" });
  });

  it("is cancelled at the provider, of whose words none is shown", async () => {
    const answer = await signInAs("nobody");
    expect(answer.status).toBe(401);
    expect(answer.text).toContain("The sign-in was cancelled or refused at Example SSO.");
    expect(answer.text).not.toContain("&lt;b&gt;");
  });

  it("finds another name where that is taken, and one account where two begin at once", async () => {
    provider.people.set("s-3", { preferred_username: "admin", groups: ["dev"] });
    provider.people.set("s-4", { preferred_username: "<script>", groups: ["dev"] });
    expect((await signInAs("s-3")).json.account).toMatchObject({ name: "admin-2", role: "member" });
    const both = await Promise.all([signInAs("s-4"), signInAs("s-4")]);
    expect(both.map(({ status }) => status)).toEqual([200, 200]);
    expect(both[0]?.json.account).toEqual(both[1]?.json.account);
  });
});

describe("a later sign-in", () => {
  it("finds the account by issuer and subject alone, whatever name and e-mail address are then", async () => {
    provider.people.set("s-5", { preferred_username: "carol", email: "carol@example.org", groups: ["dev"] });
    const { id } = (await signInAs("s-5")).json.account;
    provider.people.set("s-5", { preferred_username: "caroline", email: "new@example.org", groups: ["dev"] });
    provider.people.set("s-6", { preferred_username: "carol", email: "carol@example.org", groups: ["dev"] });
    expect((await signInAs("s-5")).json.account).toMatchObject({ id, name: "carol" });
    expect((await signInAs("s-6")).json.account).toMatchObject({ name: "carol-2" });
  });

  it("takes the role of the groups of now, and none of one who has left them", async () => {
    provider.people.set("s-7", { preferred_username: "dan", groups: ["ops", "dev"] });
    const browser = openProviderBrowser(server);
    expect((await browser.signIn("s-7")).json.account.role).toBe("admin");
    provider.people.set("s-7", { preferred_username: "dan", groups: ["dev"] });
    expect((await signInAs("s-7")).json.account.role).toBe("member");
    expect((await browser.call("GET", "/v1/accounts")).status).toBe(403);
    provider.people.set("s-7", { preferred_username: "dan", groups: [] });
    expect((await signInAs("s-7")).status).toBe(403);
  });

  it("ends what a person shares whom it makes a visitor, also for when they are a member again", async () => {
    const be = (group: string) => {
      provider.people.set("s-20", { preferred_username: "una", groups: [group] });
      return signInAs("s-20");
    };
    await be("dev");
    const browser = openProviderBrowser(server);
    await browser.signIn("s-20");
    const { id } = (await browser.call("POST", "/v1/environments", { name: "unas" })).json;
    const path = `/v1/environments/${id}`;
    await poll("it to run", async () => (await browser.call("GET", path)).json.terminals.length > 0);
    const [terminal] = (await browser.call("GET", path)).json.terminals;
    const shared = await browser.call("POST", `${path}/terminals/${terminal.id}/shares`, {});
    expect(shared.status).toBe(201);
    const shares = async () => (await browser.call("GET", `${path}/shares`)).json.shares.length;
    expect(await shares()).toBe(1);
    expect((await be("guests")).json.account.role).toBe("visitor");
    expect((await be("dev")).json.account.role).toBe("member");
    expect(await shares()).toBe(0);
    await browser.call("DELETE", path);
  });

  it("is refused to an account that is disabled", async () => {
    provider.people.set("s-8", { preferred_username: "finn", groups: ["dev"] });
    await signInAs("s-8");
    await server.ok("PATCH", "/v1/accounts/finn", { disabled: true });
    const answer = await signInAs("s-8");
    expect([answer.status, answer.text.includes("disabled")]).toEqual([403, true]);
  });
});

describe("a sign-in is bound to the browser in which it was begun", () => {
  const beginUrl = () => `${server.url}/v1/sign-in/oidc`;
  const failed = (answer: Answer) => expect([answer.status, answer.json?.code]).toEqual([401, undefined]);

  beforeAll(() => void provider.people.set("s-9", { preferred_username: "gwen", groups: ["dev"] }));

  it("and its answer is nothing in another, nor a second time", async () => {
    const [one, other] = [openProviderBrowser(server), openProviderBrowser(server)];
    const back = await one.answerOf(beginUrl(), "s-9");
    failed(await other.visit(back));
    await other.visit(beginUrl());
    failed(await other.visit(back));
    failed(await one.visit(`${server.url}/v1/sign-in/oidc/callback?code=x&state=guessed`));
    expect((await one.visit(back)).status).toBe(303);
    failed(await one.visit(back));
  });

  it("and so is what it leads to: an address that is sent to somebody signs nobody in", async () => {
    const attacker = openProviderBrowser(server);
    const { location = "" } = (await attacker.visit(await attacker.answerOf(beginUrl(), "s-9"))).headers;
    const token = new URLSearchParams(new URL(location, server.url).hash.slice(1)).get("token");
    expect(outcome(await openProviderBrowser(server).call("POST", "/v1/session", { token }))).toEqual([
      401,
      "SIGN_IN_LINK_INVALID",
    ]);
    expect((await attacker.call("POST", "/v1/session", { token })).status).toBe(200);
    expect((await attacker.call("POST", "/v1/session", { token })).status).toBe(401);
  });

  it("by cookies that no script reads", async () => {
    const { headers } = await server.call("GET", "/v1/sign-in/oidc", { token: null });
    expect(headers["set-cookie"]).toEqual([
      expect.stringMatching(/^microterm_session_\d+_oidc=[\w.-]+; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/),
    ]);
    const url = new URL(headers.location ?? "");
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      ...{ response_type: "code", code_challenge_method: "S256", scope: "openid profile" },
      redirect_uri: `${server.url}/v1/sign-in/oidc/callback`,
    });
    for (const name of ["state", "nonce", "code_challenge"]) expect(url.searchParams.get(name)).toMatch(/^[\w-]{43}$/);
  });

  it.each([
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "/%09/evil.example\n",
    "javascript:alert(1)",
    "e/abc",
    "",
    `/${"a".repeat(600)}`,
  ])("and leads to no address but its own: %j", async (to) => {
    const browser = openProviderBrowser(server);
    const path = `/v1/sign-in/oidc?return=${encodeURIComponent(to)}`;
    const answer = await browser.visit(await browser.answerOf(server.url + path, "s-9"));
    expect(answer.headers.location).toMatch(/^\/sign-in\?to=%2F#token=[a-z0-9]{24}$/);
  });

  it("and is refused to hostile questions", async () => {
    const call = (query: string, more: Call = {}) =>
      server.call("GET", `/v1/sign-in/oidc${query}`, { token: null, ...more });
    expect(outcome(await call("?return=/&x=1"))).toEqual([400, "BAD_REQUEST"]);
    expect(outcome(await call(`?return=/${"a".repeat(3000)}`))).toEqual([400, "BAD_REQUEST"]);
    expect(outcome(await call("/callback"))).toEqual([401, "PROVIDER_SIGN_IN_FAILED"]);
    const cookie = `microterm_session_${server.port}_oidc=${"x".repeat(5000)}.${"y".repeat(43)}`;
    expect(outcome(await call("/callback?code=1&state=2", { headers: { cookie } }))).toEqual([
      401,
      "PROVIDER_SIGN_IN_FAILED",
    ]);
    expect((await call("", { headers: { origin: "http://evil.example" } })).status).toBe(403);
  });
});

describe("who has an account already", () => {
  it("links who they are at the provider, from their session, and unlinks it", async () => {
    provider.people.set("s-10", { preferred_username: "hal.at.provider", groups: ["dev"] });
    const { code } = await server.ok("POST", "/v1/invitations", {});
    const browser = openProviderBrowser(server);
    const { id } = (await browser.call("POST", "/v1/invitations/accept", { code, name: "hal", password: PASSWORD }))
      .json.account;
    const { url } = (await browser.call("POST", "/v1/account/identities")).json;
    const back = await browser.visit(await browser.answerOf(url, "s-10"));
    expect([back.status, back.headers.location]).toEqual([303, "/account?identity=linked"]);
    const { identities } = (await browser.call("GET", "/v1/account/identities")).json;
    expect(identities).toMatchObject([{ issuer: provider.issuer, subject: "s-10", name: "hal.at.provider" }]);
    expect((await signInAs("s-10")).json.account.id).toBe(id);
    // Nobody else has it then.
    const other = await server.ok("POST", "/v1/invitations", {});
    const thief = openProviderBrowser(server);
    await thief.call("POST", "/v1/invitations/accept", { code: other.code, name: "ivo", password: PASSWORD });
    const taken = await thief.visit(
      await thief.answerOf((await thief.call("POST", "/v1/account/identities")).json.url, "s-10"),
    );
    expect(taken.headers.location).toBe("/account?identity=IDENTITY_TAKEN");
    provider.people.set("s-13", { preferred_username: "ivo", groups: ["others"] });
    const useless = await thief.answerOf((await thief.call("POST", "/v1/account/identities")).json.url, "s-13");
    expect((await thief.visit(useless)).headers.location).toBe("/account?identity=PROVIDER_ACCOUNT_REFUSED");
    const path = `/v1/account/identities/${identities[0].id}`;
    expect(outcome(await thief.call("DELETE", path))).toEqual([404, "NOT_FOUND"]);
    expect((await browser.call("DELETE", path)).status).toBe(204);
    expect((await signInAs("s-10")).json.account.id).not.toBe(id);
  });

  it("links nothing once they are signed out, nor with a token", async () => {
    const browser = openProviderBrowser(server);
    await browser.signIn("s-9");
    const { url } = (await browser.call("POST", "/v1/account/identities")).json;
    const back = await browser.answerOf(url, "s-11");
    await browser.call("DELETE", "/v1/session");
    expect((await browser.visit(back)).headers.location).toBe("/account?identity=UNAUTHENTICATED");
    expect(outcome(await server.call("POST", "/v1/account/identities"))).toEqual([403, "FORBIDDEN"]);
  });

  it("is an admin still, where it is the data folder's, whatever the groups say", async () => {
    provider.people.set("s-12", { preferred_username: "root", groups: ["guests"] });
    const { token } = await server.ok("POST", "/v1/links");
    const browser = openProviderBrowser(server);
    await browser.call("POST", "/v1/session", { token });
    const { url } = (await browser.call("POST", "/v1/account/identities")).json;
    await browser.visit(await browser.answerOf(url, "s-12"));
    expect((await signInAs("s-12")).json.account).toMatchObject({ name: "admin", role: "admin" });
  });
});

it("keeps nothing of the provider's: no token, code or secret is in the log or the answers", async () => {
  const log = readFileSync(join(server.data, "server/server.log"), "utf8");
  for (const text of ["eyJ", "code=", "state=", "the secret of this server"]) expect(log).not.toContain(text);
  expect((await openBrowser(server).call("GET", "/v1/sign-in")).text).not.toContain('microterm"');
});
