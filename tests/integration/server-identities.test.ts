/** Who people are at the provider, linked to their accounts and unlinked: what the audit log tells of it, and that nobody locks themselves out. */
import type { AuditEntry } from "@microterm/protocol";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { writeOidcFile } from "../../support/oidc-file.ts";
import { startOidcProvider, type TestProvider } from "../../support/oidc-provider.ts";
import { PASSWORD } from "../../support/people.ts";
import { openProviderBrowser, type ProviderBrowser } from "../../support/provider-browser.ts";
import { type Answer, startServer, type TestServer } from "../../support/server.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";

let folder: TempFolder;
let provider: TestProvider;
let server: TestServer;
let oidcFile: string;
let count = 0;
let seen = 0;

beforeAll(async () => {
  folder = await makeTempFolder();
  provider = await startOidcProvider();
  oidcFile = await writeOidcFile(folder.path, provider.issuer, { defaultRole: "member" });
  server = await startServer({ args: ["--oidc", oidcFile] });
  provider.redirectUris.add(`${server.url}/v1/sign-in/oidc/callback`);
});
afterAll(async () => {
  const left = await server?.dispose();
  await provider?.close();
  await folder?.remove();
  expect(left).toEqual([]);
});
beforeEach(async () => void (await newEntries()));

const outcome = ({ status, json }: Answer): readonly unknown[] => [status, json?.code];

/** Somebody whom the provider knows. */
function subject(): string {
  const sub = `s-${++count}`;
  provider.people.set(sub, { preferred_username: `person${count}` });
  return sub;
}

type Person = ProviderBrowser & { readonly id: string; readonly name: string; readonly subject: string };

/** In a browser in which they have just signed in at the provider for the first time: they have no password. */
async function somebody(at: TestServer = server): Promise<Person> {
  const browser = openProviderBrowser(at);
  const sub = subject();
  const { id, name } = (await browser.signIn(sub)).json.account;
  return { ...browser, id, name, subject: sub };
}

/** Goes to the provider to link who one is there. Resolves with where the browser is led back to. */
async function link(browser: ProviderBrowser, who: string, at: TestServer = server): Promise<string> {
  const { url } = (await browser.call("POST", "/v1/account/identities")).json;
  const back = await browser.visit(await browser.answerOf(url, who));
  expect([back.status, back.headers["cache-control"]]).toEqual([303, "no-store"]);
  expect(back.headers.location).toMatch(/^\/account\?identity=/);
  return new URL(back.headers.location ?? "", at.url).searchParams.get("identity") ?? "";
}

const identitiesOf = async (browser: ProviderBrowser): Promise<{ id: string; subject: string }[]> =>
  (await browser.call("GET", "/v1/account/identities")).json.identities;
const unlink = (browser: ProviderBrowser, id = ""): Promise<Answer> =>
  browser.call("DELETE", `/v1/account/identities/${id}`);
const setPassword = (browser: ProviderBrowser): Promise<Answer> =>
  browser.call("PUT", "/v1/account/password", { password: PASSWORD });

/** Since the last call, the oldest first. */
async function newEntries(at: TestServer = server): Promise<AuditEntry[]> {
  const { entries } = await at.ok("GET", "/v1/audit?limit=200");
  const all: AuditEntry[] = entries.toReversed();
  const fresh = all.slice(seen);
  seen = all.length;
  return fresh;
}
const briefly = ({ action, outcome: how, code, account, via }: AuditEntry): string =>
  [action, code ?? how, account?.name ?? "nobody", via].join(" ");

describe("the audit log", () => {
  it("has a first sign-in as an account that was made and linked, and every one by its way", async () => {
    const { id, name, subject: sub } = await somebody();
    await openProviderBrowser(server).signIn(sub);
    const entries = await newEntries();
    expect(entries.map(briefly)).toEqual([
      "account.created done nobody server",
      "identity.linked done nobody server",
      ...[`sign-in done ${name} session`, `sign-in done ${name} session`],
    ]);
    const identity = expect.stringMatching(/^[a-z0-9]{12}$/);
    expect(entries.map(({ target, detail }) => [target, detail])).toEqual([
      [id, { name, role: "member" }],
      [id, { identity, issuer: provider.issuer, subject: sub, name }],
      ...[[null, { way: "oidc" }] as const, [null, { way: "oidc" }] as const],
    ]);
  });

  it("has what is linked and unlinked, by whom, and what of it is refused", async () => {
    const [ann, bob] = [await somebody(), await somebody()];
    const [second, other] = [subject(), subject()];
    await newEntries();
    expect(await link(ann, second)).toBe("linked");
    expect(await link(bob, second)).toBe("IDENTITY_TAKEN");
    const [first, last] = await identitiesOf(ann);
    expect(outcome(await unlink(bob, last?.id))).toEqual([404, "NOT_FOUND"]);
    expect((await unlink(ann, last?.id)).status).toBe(204);
    expect(outcome(await unlink(ann, first?.id))).toEqual([409, "LAST_WAY_IN"]);
    const { url } = (await ann.call("POST", "/v1/account/identities")).json;
    const back = await ann.answerOf(url, other);
    await ann.call("DELETE", "/v1/session");
    expect((await ann.visit(back)).headers.location).toBe("/account?identity=UNAUTHENTICATED");
    const entries = await newEntries();
    expect(entries.map((entry) => `${briefly(entry)} ${entry.target === ann.id ? "ann" : "bob"}`)).toEqual([
      `identity.linked done ${ann.name} session ann`,
      `identity.linked IDENTITY_TAKEN ${bob.name} session bob`,
      `identity.unlinked NOT_FOUND ${bob.name} session bob`,
      `identity.unlinked done ${ann.name} session ann`,
      `identity.unlinked LAST_WAY_IN ${ann.name} session ann`,
      `sign-out done ${ann.name} session bob`,
      "identity.linked UNAUTHENTICATED nobody none ann",
    ]);
    const who = { issuer: provider.issuer, subject: second, name: `person${count - 1}` };
    expect(entries.map(({ detail }) => detail)).toEqual([
      { identity: last?.id, ...who },
      who,
      { identity: last?.id },
      { identity: last?.id, ...who },
      { identity: first?.id },
      {},
      { issuer: provider.issuer, subject: other, name: `person${count}` },
    ]);
    for (const { address } of entries) expect(address).toBe("127.0.0.1");
    const { entries: ofAnn } = await server.ok("GET", `/v1/audit?action=identity.linked&account=${ann.id}`);
    expect(ofAnn).toHaveLength(3);
  });

  it.each(["link", "unlink"] as const)(
    "and the database agree on a %s whose server is killed between the two",
    async (what) => {
      const args = ["--oidc", oidcFile];
      const first = await startServer({ args });
      onTestFinished(async () => void (await first.kill("SIGKILL")));
      provider.redirectUris.add(`${first.url}/v1/sign-in/oidc/callback`);
      const person = await somebody(first);
      await link(person, subject(), first);
      const { data, port } = first;
      const before = await identitiesOf(person);
      const same = { data, args: [...args, "--port", String(port)] };
      await first.kill("SIGKILL");
      const second = await startServer({
        ...same,
        args: [...same.args, "--test-faults"],
        env: { MICROTERM_FAULT: "audit.entry" },
      });
      onTestFinished(async () => void (await second.kill("SIGKILL")));
      const act = what === "link" ? link(person, subject(), second) : unlink(person, before[0]?.id);
      await expect(act).rejects.toThrow();
      await second.ended;
      const third = await startServer(same);
      onTestFinished(async () => expect(await third.dispose()).toEqual([]));
      expect(await identitiesOf(person)).toEqual(before);
      expect((await third.ok("GET", "/v1/audit?action=identity.linked")).entries).toHaveLength(2);
      expect((await third.ok("GET", "/v1/audit?action=identity.unlinked")).entries).toEqual([]);
    },
  );
});

describe("linking", () => {
  it("has the provider ask who one is, also where it knows that from before", async () => {
    const { call } = await somebody();
    const { url } = (await call("POST", "/v1/account/identities")).json;
    expect(new URL(url).searchParams.get("prompt")).toBe("login");
    const { headers } = await server.call("GET", "/v1/sign-in/oidc", { token: null });
    expect(new URL(headers.location ?? "").searchParams.has("prompt")).toBe(false);
  });

  it("leads back to the account's page with what came of it", async () => {
    const person = await somebody();
    const [own] = await identitiesOf(person);
    expect(await link(person, own?.subject ?? "")).toBe("linked-before");
    expect(await link(person, "nobody")).toBe("PROVIDER_SIGN_IN_CANCELLED");
    expect(await identitiesOf(person)).toEqual([own]);
    for (let more = 2; more <= 10; more++) expect(await link(person, subject())).toBe("linked");
    expect(await link(person, subject())).toBe("TOO_MANY");
    expect(await identitiesOf(person)).toHaveLength(10);
  });

  it("gives an identity to one account, however many ask for it at once", async () => {
    for (let round = 0; round < 4; round++) {
      const people = [await somebody(), await somebody(), await somebody()];
      const wanted = subject();
      const answers = await Promise.all([
        ...people.map((one) => link(one, wanted)),
        openProviderBrowser(server).signIn(wanted),
      ]);
      const has = await Promise.all(people.map(async (one) => (await identitiesOf(one)).length));
      const [taken, ...more] = has.filter((length) => length === 2);
      expect(more).toEqual([]);
      const linked = answers.filter((answer) => answer === "linked");
      expect(linked).toHaveLength(taken === undefined ? 0 : 1);
    }
  });
});

describe("the last way in", () => {
  it("stays: an identity, unless there is a password or another one", async () => {
    const person = await somebody();
    const [only] = await identitiesOf(person);
    const refusal = await unlink(person, only?.id);
    expect(outcome(refusal)).toEqual([409, "LAST_WAY_IN"]);
    expect(refusal.json.hint).toContain("Set a password first");
    expect(await identitiesOf(person)).toEqual([only]);
    expect((await setPassword(person)).status).toBe(204);
    expect((await unlink(person, only?.id)).status).toBe(204);
    expect(await identitiesOf(person)).toEqual([]);
    const entered = await person.call("POST", "/v1/session", { name: person.name, password: PASSWORD });
    expect(entered.json.account.id).toBe(person.id);
  });

  it("is never an identity of the data folder's account, which has its links", async () => {
    const browser = openProviderBrowser(server);
    const { token } = await server.ok("POST", "/v1/links");
    await browser.call("POST", "/v1/session", { token });
    expect(await link(browser, subject())).toBe("linked");
    const [only] = await identitiesOf(browser);
    expect((await unlink(browser, only?.id)).status).toBe(204);
  });

  it("stays when the last two are unlinked at once", async () => {
    for (let round = 0; round < 5; round++) {
      const person = await somebody();
      await link(person, subject());
      const both = await identitiesOf(person);
      await newEntries();
      const answers = await Promise.all(both.map(({ id }) => unlink(person, id)));
      expect(answers.map(({ status }) => status).toSorted()).toEqual([204, 409]);
      expect(await identitiesOf(person)).toHaveLength(1);
      const done = (await newEntries()).filter((entry) => entry.outcome === "done");
      expect(done.map(({ action }) => action)).toEqual(["identity.unlinked"]);
    }
  });

  it("stays when one is unlinked twice, while another is linked or a first password is set", async () => {
    for (const meanwhile of [(person: Person) => link(person, subject()), setPassword]) {
      for (let round = 0; round < 3; round++) {
        const person = await somebody();
        const [only] = await identitiesOf(person);
        await Promise.all([meanwhile(person), unlink(person, only?.id), unlink(person, only?.id)]);
        const left = await identitiesOf(person);
        const { accounts } = await server.ok("GET", "/v1/accounts");
        const { hasPassword } = accounts.find(({ id }: { id: string }) => id === person.id);
        expect([left.length > 0, hasPassword]).toContain(true);
      }
    }
  });

  it("signs nobody in any more who has just been at the provider when it is unlinked", async () => {
    const person = await somebody();
    await setPassword(person);
    const late = openProviderBrowser(server);
    const back = await late.visit(await late.answerOf(`${server.url}/v1/sign-in/oidc`, person.subject));
    const token = new URLSearchParams(new URL(back.headers.location ?? "", server.url).hash.slice(1)).get("token");
    const [only] = await identitiesOf(person);
    expect((await unlink(person, only?.id)).status).toBe(204);
    expect(outcome(await late.call("POST", "/v1/session", { token }))).toEqual([401, "SIGN_IN_LINK_INVALID"]);
  });

  it("is no password where there are none, and no identity of another provider", async () => {
    const first = await startServer({ args: ["--oidc", oidcFile] });
    onTestFinished(async () => void (await first.kill("SIGKILL")));
    provider.redirectUris.add(`${first.url}/v1/sign-in/oidc/callback`);
    const [ann, bob] = [await somebody(first), await somebody(first)];
    await setPassword(ann);
    await link(bob, subject(), first);
    const { data, port } = first;
    await first.kill("SIGKILL");
    const elsewhere = await makeTempFolder();
    const others = await writeOidcFile(elsewhere.path, "http://127.0.0.1:1", { defaultRole: "member" });
    const args = ["--port", String(port), "--local-accounts", "off", "--oidc", others];
    const second = await startServer({ data, args });
    onTestFinished(async () => {
      expect(await second.dispose()).toEqual([]);
      await elsewhere.remove();
    });
    for (const person of [ann, bob]) {
      for (const { id } of await identitiesOf(person)) {
        expect(outcome(await unlink(person, id))).toEqual([409, "LAST_WAY_IN"]);
      }
    }
  });
});
