/** A provider that is down, slow, or lies; and files of `--oidc` that cannot be used. */
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Lies, type LyingProvider, startLyingProvider } from "../../support/lying-provider.ts";
import { writeOidcFile } from "../../support/oidc-file.ts";
import { openProviderBrowser } from "../../support/provider-browser.ts";
import { type Answer, ServerDidNotStart, startServer, type TestServer } from "../../support/server.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";

let folder: TempFolder;
let provider: LyingProvider;
let server: TestServer;

const signIn = () => openProviderBrowser(server).signIn("s-1");
/** At a server that has asked the provider for nothing yet: what it says of itself, and its keys, are kept for a while. */
async function signInElsewhere(): Promise<Answer> {
  const other = await startServer({ args: ["--oidc", join(folder.path, "oidc.json")] });
  try {
    return await openProviderBrowser(other).signIn("s-1");
  } finally {
    expect(await other.dispose()).toEqual([]);
  }
}
const now = () => Math.floor(Date.now() / 1000);
/** A page, of that status, which says that. */
const refused = (answer: Answer, status: number, text: string | RegExp): void => {
  expect([answer.status, answer.headers["content-type"]]).toEqual([status, "text/html; charset=utf-8"]);
  expect(answer.text).toMatch(text);
  expect(answer.text).toContain('href="/sign-in"');
};

beforeAll(async () => {
  folder = await makeTempFolder();
  provider = await startLyingProvider();
  const file = await writeOidcFile(folder.path, provider.issuer, { defaultRole: "member" });
  server = await startServer({ args: ["--oidc", file] });
});
beforeEach(() => {
  provider.lies = {};
});
afterAll(async () => {
  const left = await server?.dispose();
  await provider?.close();
  await folder?.remove();
  expect(left).toEqual([]);
});

describe("a provider that cannot be asked", () => {
  it.each<[string, Lies["answers"]]>([
    ["is broken", { metadata: (response) => void response.writeHead(500).end() }],
    ["closes connections", { metadata: (response) => void response.destroy() }],
    ["answers something else", { metadata: (response) => void response.end("<h1>Welcome</h1>") }],
    ["leads elsewhere", { metadata: (response) => void response.writeHead(302, { location: "/other" }).end() }],
    ["says nothing", { metadata: () => undefined }],
    ["says far too much", { metadata: (response) => void response.end(`"${"x".repeat(3 * 1024 * 1024)}"`) }],
  ])("%s, which a page says, and the next attempt asks again", async (_what, answers = {}) => {
    provider.lies = { answers };
    refused(await signIn(), 503, "Example SSO cannot be reached from this server.");
  });

  it("is not the issuer that the file names", async () => {
    for (const metadata of [{ issuer: "http://127.0.0.1:1" }, { issuer: `${provider.issuer}/other` }]) {
      provider.lies = { metadata };
      refused(await signIn(), 503, "cannot be reached");
    }
  });
});

describe("a provider that is there", () => {
  it("signs people in, and its answers are as good as they are honest", async () => {
    expect((await signIn()).json.account).toMatchObject({ name: "ann", role: "member" });
  });

  it.each<[string, Lies["answers"]]>([
    ["breaks", { token: (response) => void response.writeHead(502).end("Bad Gateway") }],
    ["says nothing more", { token: () => undefined }],
    ["drips", { token: (response) => void response.writeHead(200, { "content-type": "application/json" }).write("{") }],
    ["has no keys to be had", { jwks: (response) => void response.destroy() }],
  ])("and %s in the middle of a sign-in", async (_what, answers = {}) => {
    provider.lies = { answers };
    refused(await signInElsewhere(), 503, "Example SSO did not answer this server.");
  });

  it("proves nothing without a signature, also where it says that this is its way", async () => {
    provider.lies = { signature: "none", metadata: { id_token_signing_alg_values_supported: ["none", "RS256"] } };
    refused(await signInElsewhere(), 401, "does not prove an identity");
  });

  it.each<[string, Lies, RegExp]>([
    ["another's nonce", { claims: { nonce: "another" } }, /&quot;nonce&quot; claim value/],
    ["no nonce", { claims: { nonce: undefined } }, /nonce\) claim missing/],
    ["another issuer", { claims: { iss: "https://evil.example" } }, /&quot;iss&quot;/],
    ["another audience", { claims: { aud: "another-client" } }, /&quot;aud&quot;/],
    [
      "an audience of several, for another",
      { claims: { aud: ["microterm", "another"], azp: "another" } },
      /&quot;azp&quot;/,
    ],
    ["a signature with another key", { signature: "foreign" }, /signature verification failed/],
    ["no signature", { signature: "none" }, /&quot;alg&quot;/],
    ["a signature with its public key as a secret", { signature: "hmac" }, /&quot;alg&quot;/],
    ["an expiry of more than five minutes ago", { claims: { exp: now() - 330 } }, /&quot;exp&quot;/],
    ["a beginning in more than five minutes", { claims: { nbf: now() + 3600 } }, /&quot;nbf&quot;/],
    ["no subject", { claims: { sub: undefined } }, /&quot;sub&quot; \(subject\) claim missing/],
    ["a subject that is too long", { claims: { sub: "x".repeat(256) } }, /no subject/],
    ["a subject that is none", { claims: { sub: "" } }, /no subject/],
    [
      "another subject than its own account of the person",
      { claims: { sub: "s-2", groups: undefined } },
      /body &quot;sub&quot;/,
    ],
    ["an error", { query: { error: "<b>server_error</b>" } }, /an error without a known name/],
    ["another state", { query: { state: "x".repeat(43) } }, /No such sign-in is under way/],
  ])("proves nothing with %s", async (_what, lies, reason) => {
    provider.lies = lies;
    const answer = await signIn();
    refused(answer, 401, reason);
    expect(answer.text).not.toContain("<b>");
  });

  it("may have a clock that is five minutes off, either way", async () => {
    for (const claims of [{ exp: now() - 270 }, { iat: now() + 290, nbf: now() + 290, exp: now() + 350 }]) {
      provider.lies = { claims };
      expect((await signIn()).status).toBe(200);
    }
  });

  it("refuses a code that was used, or a client that it does not know", async () => {
    for (const error of ["invalid_grant", "invalid_client"]) {
      const body = JSON.stringify({ error, error_description: "<i>no</i>" });
      const token: NonNullable<Lies["answers"]>["token"] = (response) =>
        void response.writeHead(400, { "content-type": "application/json" }).end(body);
      provider.lies = { answers: { token } };
      const answer = await signIn();
      refused(answer, 401, error);
      expect(answer.text).not.toContain("<i>");
    }
  });

  it("and fails while an identity is linked is told on the account's page", async () => {
    const browser = openProviderBrowser(server);
    expect((await browser.signIn("s-1")).status).toBe(200);
    const linked = async (lies: Lies): Promise<string | undefined> => {
      const { url } = (await browser.call("POST", "/v1/account/identities")).json;
      provider.lies = lies;
      const { status, headers } = await browser.visit(await browser.answerOf(url, "s-1"));
      expect(status).toBe(303);
      return headers.location;
    };
    const down: Lies = { answers: { token: (response) => void response.writeHead(502).end() } };
    expect(await linked(down)).toBe("/account?identity=PROVIDER_UNAVAILABLE");
    expect(await linked({ claims: { nonce: "another" } })).toBe("/account?identity=PROVIDER_SIGN_IN_FAILED");
    expect(await linked({ query: { error: "access_denied" } })).toBe("/account?identity=PROVIDER_SIGN_IN_CANCELLED");
    expect((await browser.call("GET", "/v1/account/identities")).json.identities).toHaveLength(1);
  });

  it("is asked at its other address where the ID token has no groups, for the same person", async () => {
    provider.lies = { claims: { groups: undefined } };
    const before = provider.asked.get("userinfo") ?? 0;
    expect((await signIn()).status).toBe(200);
    expect(provider.asked.get("userinfo")).toBe(before + 1);
  });

  it("has what it gave in no log", () => {
    const log = readFileSync(join(server.data, "server/server.log"), "utf8");
    for (const text of ["eyJ", "a-token-of-the-provider", "code-1"]) expect(log).not.toContain(text);
    expect(log).toContain("a sign-in at the OIDC provider failed");
  });
});

describe("a server does not start with a file", () => {
  const refusal = async (args: readonly string[]): Promise<string> => {
    const error = await startServer({ args }).then(
      async (one) => {
        await one.dispose();
        return null;
      },
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(ServerDidNotStart);
    return (error as ServerDidNotStart).stderr;
  };
  const withFile = (text: string, mode = 0o600): Promise<string> => {
    const path = join(folder.path, "wrong.json");
    writeFileSync(path, text);
    chmodSync(path, mode);
    return refusal(["--oidc", path]);
  };
  const good = { issuer: "https://sso.example.org", clientId: "microterm" };

  it("that is not there, is no JSON, or others may read", async () => {
    expect(await refusal(["--oidc", join(folder.path, "none.json")])).toMatch(/--oidc: does not exist/);
    expect(await refusal(["--oidc", folder.path])).toMatch(/is no file of JSON/);
    const said = await withFile('{"clientSecret":"hunter2",}');
    expect(said).toMatch(/is no JSON/);
    expect(said).not.toContain("hunter2");
    expect(await withFile(JSON.stringify(good), 0o644)).toMatch(/may be read or changed by other users: chmod 600/);
  });

  it("whose faults are all said", async () => {
    const wrong = { issuer: "http://sso.example.org", clientId: "", scopes: ["profile"], defaultRole: "admin", x: 1 };
    const said = await withFile(JSON.stringify(wrong));
    for (const fault of [/issuer: must be/, /clientId: /, /scopes: must have openid/, /defaultRole: /, /"x"/]) {
      expect(said).toMatch(fault);
    }
    for (const issuer of ["https://sso.example.org/?a=b", "https://u:p@sso.example.org", "ftp://sso.example.org", 7]) {
      expect(await withFile(JSON.stringify({ ...good, issuer }))).toMatch(/issuer: /);
    }
  });
});
