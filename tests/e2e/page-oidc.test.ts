/** A person signs in at a provider of another site, at a server that is protected by nothing else. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { TestProvider } from "../../support/oidc-provider.ts";
import { type ProviderPage, startProviderPage } from "../../support/provider-page.ts";
import type { TestServer } from "../../support/server.ts";

let world: ProviderPage;
let provider: TestProvider;
let server: TestServer;
let browser: Browser;
let origin: string;
beforeAll(async () => {
  world = await startProviderPage(["--local-accounts", "off"]);
  ({ provider, server, browser, origin } = world);
  provider.people.set("s-1", { preferred_username: "ann", groups: ["dev"] });
});
afterAll(() => world?.close());

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
