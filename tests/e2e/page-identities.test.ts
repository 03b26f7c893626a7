/** Who one is at a provider of another site, on the page of one's account. */
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { AXE, faults } from "../../support/axe.ts";
import type { PageObject } from "../../support/page.ts";
import { PASSWORD } from "../../support/people.ts";
import { joinWindow, openWindow } from "../../support/person-page.ts";
import { type ProviderPage, startProviderPage } from "../../support/provider-page.ts";

let world: ProviderPage;
let windows: PageObject[] = [];
beforeAll(async () => {
  world = await startProviderPage();
});
afterEach(async () => {
  const errors = windows.flatMap((one) => one.errors);
  await Promise.all(windows.map((one) => one.close()));
  windows = [];
  expect(errors).toEqual([]);
});
afterAll(() => world?.close());

const atAccount = (url: URL): boolean => url.href === `${world.origin}/account`;
const identities = (page: Page) => page.getByRole("list", { name: "Identities" }).getByRole("listitem");
const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });

/** Somebody with a password, on the page of their account. */
async function join(name: string): Promise<Page> {
  const { browser, server, origin } = world;
  const joined = await joinWindow(browser, { ...server, url: origin }, { name });
  windows.push(joined);
  await joined.context.addInitScript(AXE);
  await joined.page.goto(`${origin}/account`);
  return joined.page;
}

/** Presses Tab until that has the focus. */
async function tabTo(page: Page, role: "button" | "link" | "textbox", name: string): Promise<void> {
  const wanted = page.getByRole(role, { name, exact: true });
  await wanted.waitFor();
  for (let pressed = 0; pressed < 60; pressed++) {
    if (await wanted.evaluate((element) => element.matches(":focus"))) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`no Tab leads to the ${role} ${name}`);
}

async function press(page: Page, role: "button" | "link", name: string): Promise<void> {
  await tabTo(page, role, name);
  await page.keyboard.press("Enter");
}

/** Signs in at the provider as `who`, from a page that leads there. */
async function answerAs(page: Page, who: string): Promise<void> {
  await page.waitForURL((url) => url.origin === world.provider.issuer);
  await tabTo(page, "textbox", "Who");
  await page.keyboard.type(who);
  await page.keyboard.press("Enter");
}

/** In the light and the dark page. */
async function faultsOf(page: Page): Promise<string[]> {
  const found: string[] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    found.push(...(await faults(page)));
  }
  return found;
}

test("is linked, signs in to the account, and is unlinked, by keys alone", async () => {
  world.provider.people.set("s-1", { preferred_username: "ann.at.work", groups: ["dev"] });
  const page = await join("ann");
  await page.getByText("None is linked.").waitFor();
  expect(await faultsOf(page)).toEqual([]);
  await press(page, "button", "Link an identity");
  await answerAs(page, "s-1");

  await page.getByRole("status").filter({ hasText: "It is linked." }).waitFor();
  // Told once: the address says nothing of it any more.
  await page.waitForURL(atAccount);
  expect(await page.locator(":focus").textContent()).toContain("It is linked.");
  await identities(page).filter({ hasText: "ann.at.work" }).filter({ hasText: "not used since" }).waitFor();
  expect(await faultsOf(page)).toEqual([]);
  await page.reload();
  await identities(page).waitFor();
  expect(await page.getByText("It is linked.").count()).toBe(0);

  await press(page, "button", "Account: ann");
  await press(page, "button", "Sign out");
  await press(page, "link", "Continue with Example SSO");
  // Who is known there is not asked again.
  await page.waitForURL(`${world.origin}/`);
  await press(page, "button", "Account: ann");
  await press(page, "link", "My account");
  await identities(page).filter({ hasText: "used just now" }).waitFor();

  const question = page.getByRole("alertdialog");
  await press(page, "button", "Unlink ann.at.work");
  await question.waitFor();
  expect(await faultsOf(page)).toEqual([]);
  await page.keyboard.press("Escape");
  await question.waitFor({ state: "detached" });
  await expect.poll(() => page.locator(":focus").getAttribute("aria-label")).toBe("Unlink ann.at.work");
  await page.keyboard.press("Enter");
  await press(page, "button", "Unlink");
  await page.getByText("None is linked.").waitFor();
  await question.waitFor({ state: "detached" });
  await expect.poll(() => page.locator(":focus").textContent()).toBe("Link an identity");
});

test("that was not linked is said on the page of the account, with why", async () => {
  world.provider.people.set("s-2", { preferred_username: "bob.at.work", groups: ["dev"] });
  const bob = await join("bob");
  await button(bob, "Link an identity").click();
  await answerAs(bob, "s-2");
  await identities(bob).waitFor();

  const page = await join("carla");
  const alert = page.getByRole("alert");
  for (const [who, told] of [
    ["s-2", "Another account here signs in with this identity."],
    ["s-5", "At Example SSO you are in none of the groups that this instance lets in."],
    ["nobody", "It was cancelled or refused at Example SSO."],
  ] as const) {
    await button(page, "Link an identity").click();
    await answerAs(page, who);
    await alert.filter({ hasText: told }).waitFor();
    await page.waitForURL(atAccount);
    expect(await faultsOf(page)).toEqual([]);
    await page.getByText("None is linked.").waitFor();
  }
  for (const [outcome, told] of [
    ["PROVIDER_UNAVAILABLE", "Example SSO did not answer this server."],
    ["PROVIDER_SIGN_IN_FAILED", "What Example SSO answered does not prove who you are."],
    ["%3Cb%3E%E2%80%AE", "The server could not do it."],
  ] as const) {
    await page.goto(`${world.origin}/account?identity=${outcome}`);
    await alert.filter({ hasText: told }).waitFor();
    await page.waitForURL(atAccount);
  }
});

test("begun in a session that has ended is told after the next sign-in", async () => {
  const page = await join("dora");
  await button(page, "Link an identity").click();
  await page.waitForURL((url) => url.origin === world.provider.issuer);
  const { accounts } = await world.server.ok("GET", "/v1/accounts");
  const { id } = accounts.find(({ name }: { name: string }) => name === "dora");
  for (const disabled of [true, false]) await world.server.ok("PATCH", `/v1/accounts/${id}`, { disabled });
  await answerAs(page, "s-3");
  await page.waitForURL((url) => url.pathname === "/sign-in");
  await page.getByLabel("Name", { exact: true }).fill("dora");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.keyboard.press("Enter");
  await page.getByRole("alert").filter({ hasText: "The session in which you began had ended." }).waitFor();
  await page.getByText("None is linked.").waitFor();
});

test("that is the last way in stays, and the question says what to do", async () => {
  world.provider.people.set("s-4", { preferred_username: "eve", groups: ["dev"] });
  const window = await openWindow(world.browser, `${world.origin}/sign-in?to=%2Faccount`);
  windows.push(window);
  const { page } = window;
  await page.getByRole("link", { name: "Continue with Example SSO" }).click();
  await answerAs(page, "s-4");
  await button(page, "Unlink eve").click();
  const question = page.getByRole("alertdialog");
  await question.getByRole("button", { name: "Unlink", exact: true }).click();
  await question.getByRole("alert").filter({ hasText: "Set a password first" }).waitFor();
  await question.getByRole("button", { name: "Keep it" }).click();
  await question.waitFor({ state: "detached" });
  expect(await identities(page).count()).toBe(1);
});
