/** A person signs in at a provider of another site, at a server that is protected by nothing else. */
import { createHash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { builtPage } from "../../support/built-page.ts";
import { makeKeyPair } from "../../support/key-pair.ts";
import { freePort } from "../../support/nginx.ts";
import { writeOidcFile } from "../../support/oidc-file.ts";
import { startOidcProvider, type TestProvider } from "../../support/oidc-provider.ts";
import { launchBrowser } from "../../support/page.ts";
import { startServer, type TestServer } from "../../support/server.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";

const ADDRESS = "127.0.0.2";

let folder: TempFolder;
let web: Awaited<ReturnType<typeof builtPage>>;
let provider: TestProvider;
let server: TestServer;
let browser: Browser;
let origin: string;
beforeAll(async () => {
  folder = await makeTempFolder();
  web = await builtPage();
  provider = await startOidcProvider();
  provider.people.set("s-1", { preferred_username: "ann", groups: ["dev"] });
  const pair = makeKeyPair(folder.path, { names: ["DNS:term.example.org"] });
  const port = await freePort(ADDRESS);
  origin = `https://term.example.org:${port}`;
  provider.redirectUris.add(`${origin}/v1/sign-in/oidc/callback`);
  const tls = ["--listen", `${ADDRESS}:${port}`, "--tls-cert", pair.cert, "--tls-key", pair.key];
  const oidc = await writeOidcFile(folder.path, provider.issuer, { groups: { member: ["dev"] } });
  const args = ["--web", web.path, ...tls, "--public-url", origin, "--oidc", oidc, "--local-accounts", "off"];
  server = await startServer({ args });
  const publicKey = new X509Certificate(pair.ca).publicKey.export({ type: "spki", format: "der" });
  browser = await launchBrowser([
    `--host-resolver-rules=MAP term.example.org ${ADDRESS}`,
    `--ignore-certificate-errors-spki-list=${createHash("sha256").update(publicKey).digest("base64")}`,
  ]);
});
afterAll(async () => {
  await browser?.close();
  const left = await server?.dispose();
  await provider?.close();
  await web?.remove();
  await folder?.remove();
  expect(left).toEqual([]);
});

it("leads to the provider and back, and is a session that a reload keeps", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${origin}/v1/sign-in/oidc?return=/`);
  expect(new URL(page.url()).origin).toBe(provider.issuer);
  await page.getByLabel("Who").fill("s-1");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${origin}/`);
  await page.reload();
  const session = await page.evaluate(async () => {
    const key = localStorage.getItem("microterm.session-key") ?? "";
    return (await fetch("/v1/session", { headers: { "x-microterm-session": key } })).json();
  });
  expect(session).toMatchObject({ account: { name: "ann", role: "member" } });
  // Nothing of the way is left behind.
  const own = (await context.cookies(origin)).map(({ name, sameSite, secure }) => [name, sameSite, secure]);
  expect(own).toEqual([[`__Host-microterm_session_${new URL(origin).port}`, "Strict", true]]);
  await context.close();
});

it("is refused on a page that leads back to the sign-in page", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${origin}/v1/sign-in/oidc?return=/`);
  await page.getByLabel("Who").fill("s-2");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("you are in none of the groups").waitFor();
  await page.getByRole("link", { name: "To the sign-in page" }).click();
  await page.waitForURL(`${origin}/sign-in`);
  await page.getByText("./microterm open").waitFor();
  await context.close();
});

it("is what the server says protects it", () => {
  const { exposure } = JSON.parse(readFileSync(join(server.data, "server/server.json"), "utf8"));
  expect(exposure.signIn).toEqual({ hasPasswordAdmin: false, hasOidc: true });
});
