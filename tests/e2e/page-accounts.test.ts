import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import type { PageObject } from "../../support/page.ts";
import { PASSWORD } from "../../support/people.ts";
import { button, peopleSuite } from "../../support/people-suite.ts";
import { typePassword } from "../../support/person-page.ts";
import { cliOk } from "../integration/cli-run.ts";

const NEW_PASSWORD = "nine paper boats, and rain";

const people = peopleSuite();
const { fresh, join } = people;
const open = async (path: string): Promise<Page> => (await people.open(path)).page;
const alert = (page: Page) => page.getByRole("alert");
const atList = (page: Page) => page.getByRole("heading", { name: "No environments yet" });
/** As it is when its time is over, or when it is revoked elsewhere: the browser itself hears of it by refusals alone. */
const endSession = async ({ page }: PageObject): Promise<void> => {
  const key = await page.evaluate<string>("localStorage.getItem('microterm.session-key')");
  const headers = { origin: people.world.server.url, "x-microterm-session": key };
  const ended = await page.context().request.delete(`${people.world.server.url}/v1/session`, { headers });
  expect(ended.status()).toBe(204);
};

describe("signing in", () => {
  test("by password, by keys alone, leads back to where one was, and to no other site", async () => {
    const name = fresh();
    const { page: first } = await join(name);
    await button(first, `Account: ${name}`).click();
    await button(first, "Sign out").click();
    await first.waitForURL((url) => url.pathname === "/sign-in");

    const page = await open("/account");
    await page.waitForURL((url) => url.search === "?to=%2Faccount");
    await page.getByLabel("Name", { exact: true }).waitFor();
    // The name has the focus.
    await page.keyboard.type(name);
    await page.keyboard.press("Tab");
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name, exact: true }).waitFor();
    expect(new URL(page.url()).pathname).toBe("/account");

    for (const to of ["https://evil.example/", "//evil.example/", "/\\evil.example", "/v1/session"]) {
      await page.goto(`${people.world.server.url}/sign-in?to=${encodeURIComponent(to)}`);
      await typePassword(page, name);
      await atList(page).waitFor();
      expect(page.url()).toBe(`${people.world.server.url}/`);
    }
  });

  test("says beside the field what is missing, keeps what was typed when it is refused, and is sent once", async () => {
    const name = fresh();
    await join(name);
    const page = await open("/sign-in");
    const sent: string[] = [];
    page.on("request", (request) => {
      if (request.method() === "POST") sent.push(request.url());
    });
    await button(page, "Sign in").click();
    expect(await alert(page).allTextContents()).toEqual(["Fill this in.", "Fill this in."]);
    const field = page.getByLabel("Name", { exact: true });
    expect(await field.getAttribute("aria-invalid")).toBe("true");
    expect(await field.getAttribute("autocomplete")).toBe("username");
    expect(await page.getByLabel("Password", { exact: true }).getAttribute("autocomplete")).toBe("current-password");
    expect(sent).toEqual([]);
    await typePassword(page, name, "wrong");
    await page.getByText("Check both").waitFor();
    expect(await field.inputValue()).toBe(name);
    await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await button(page, "Sign in").dblclick();
    await atList(page).waitFor();
    expect(sent.length).toBe(2);
  });
});

describe("a link that the command line prints", () => {
  test("is one that the page takes: an invitation, and a reset of a password", async () => {
    const { server } = people.world;
    const invited = await open((await cliOk(server, ["invite"])).trim());
    await typePassword(invited, fresh());
    await atList(invited).waitFor();
    const added = await open((await cliOk(server, ["user", "add", fresh()])).trim());
    await added.getByLabel("New password", { exact: true }).fill(NEW_PASSWORD);
    await added.keyboard.press("Enter");
    await atList(added).waitFor();
  });
});

describe("an invitation", () => {
  test("is used up by its button alone, says beside its fields what is wrong, and leads to the list", async () => {
    const { code } = await people.world.server.ok("POST", "/v1/invitations", {});
    const name = fresh();
    const taken = fresh();
    await join(taken);
    for (const _look of [1, 2]) await open(`/invitation#${code}`);
    const page = await open(`/invitation#${code}`);
    await page.reload();
    await page.getByLabel("Name", { exact: true }).waitFor();
    for (const [typed, fault] of [
      ["", "Fill this in."],
      ["Ann", "A name has 1 to 32 lower-case letters"],
      ["\u202e<b>ann</b>🙂", "A name has 1 to 32 lower-case letters"],
    ] as const) {
      await typePassword(page, typed, "short");
      expect((await alert(page).allTextContents())[0]).toContain(fault);
      expect((await alert(page).allTextContents())[1]).toContain("A password has 12 to 128 characters");
    }
    await typePassword(page, name, "passwordpassword");
    await page.getByText("This password is among those that are tried first").waitFor();
    await typePassword(page, taken);
    await alert(page).waitFor();
    expect(await page.getByLabel("Name", { exact: true }).getAttribute("aria-invalid")).toBe("true");
    await typePassword(page, name);
    await atList(page).waitFor();
    // Nothing of the code is left in the address, nor one step back.
    expect(page.url()).toBe(`${people.world.server.url}/`);

    const late = await open(`/invitation#${code}`);
    await late.getByRole("heading", { name: "This invitation can't be used" }).waitFor();
    const cut = await open("/invitation#abc");
    await cut.getByText("This link is not whole").waitFor();
    const bare = await open("/invitation");
    await bare.getByText("This link is not whole").waitFor();
  });

  test("as a visitor shows nothing that a visitor may not do", async () => {
    const { page } = await join(fresh(), "visitor");
    await page.getByRole("heading", { name: "No environments of your own" }).waitFor();
    expect(await page.getByRole("button", { name: /environment/ }).count()).toBe(0);
    await page.goto(`${people.world.server.url}/admin/people`);
    await page.getByText("This page is for admins.").waitFor();
    await button(page, /^Account: /).click();
    await page.getByRole("link", { name: "My account" }).waitFor();
    expect(await page.getByRole("link", { name: "Administration" }).count()).toBe(0);
  });
});

describe("one's account", () => {
  test("changes the password, which ends all other sessions", async () => {
    const name = fresh();
    const { page } = await join(name);
    const elsewhere = await open("/sign-in");
    await typePassword(elsewhere, name);
    await atList(elsewhere).waitFor();
    await page.goto(`${people.world.server.url}/account`);
    const sessions = page.getByRole("list", { name: "Sessions" }).getByRole("listitem");
    await expect.poll(() => sessions.count()).toBe(2);
    const change = async (current: string, password: string): Promise<void> => {
      await page.getByLabel("Current password", { exact: true }).fill(current);
      await page.getByLabel("New password", { exact: true }).fill(password);
      await page.keyboard.press("Enter");
    };
    await change("wrong", NEW_PASSWORD);
    await alert(page).waitFor();
    expect(await page.getByLabel("Current password", { exact: true }).getAttribute("aria-invalid")).toBe("true");
    await change(PASSWORD, NEW_PASSWORD);
    await page.getByText("It is changed.").waitFor();
    expect(await page.getByLabel("New password", { exact: true }).inputValue()).toBe("");
    await elsewhere.getByRole("dialog", { name: "Sign in again" }).waitFor();
    await expect.poll(() => sessions.count()).toBe(1);
    await elsewhere.getByLabel("Password", { exact: true }).fill(NEW_PASSWORD);
    await elsewhere.keyboard.press("Enter");
    await elsewhere.getByRole("dialog").waitFor({ state: "detached" });
    await atList(elsewhere).waitFor();
  });

  test("ends a session elsewhere, whose page says so at once", async () => {
    const name = fresh();
    const { page } = await join(name);
    const elsewhere = await open("/sign-in");
    await typePassword(elsewhere, name);
    await atList(elsewhere).waitFor();
    await page.goto(`${people.world.server.url}/account`);
    await button(page, /^End it: the session of /).click();
    await elsewhere.getByRole("dialog", { name: "Sign in again" }).waitFor();
    await button(elsewhere, "Use another account").click();
    await elsewhere.waitForURL((url) => url.pathname === "/sign-in");
  });

  test("makes a token, shows it once and revokes it", async () => {
    const { page } = await join(fresh());
    await page.goto(`${people.world.server.url}/account`);
    await page.getByText("You have no tokens.").waitFor();
    await button(page, "New token").click();
    await button(page, "Make the token").click();
    expect(await alert(page).allTextContents()).toEqual(["Fill this in.", "Choose one at least."]);
    expect(await page.getByRole("checkbox").count()).toBe(4);
    await page.getByLabel("Name", { exact: true }).fill("ci <b>\u202e");
    await page.getByRole("checkbox", { name: /^see environments/ }).check();
    await page.getByLabel("Name", { exact: true }).press("Enter");
    await page.getByText("Must be one line without control characters.").waitFor();
    await page.getByLabel("Name", { exact: true }).fill("ci <b>🙂");
    await page.keyboard.press("Enter");
    const secret = page.getByLabel("ci <b>🙂", { exact: true });
    const token = await secret.inputValue();
    expect(token).toMatch(/^mt_/);
    expect((await people.world.server.call("GET", "/v1/environments", { token })).status).toBe(200);
    await page.keyboard.press("Escape");
    await page.getByRole("list", { name: "API tokens" }).getByText("ci <b>🙂").waitFor();
    expect(await page.content()).not.toContain(token);
    await button(page, "Revoke ci <b>🙂").click();
    await page.getByText("You have no tokens.").waitFor();
    expect((await people.world.server.call("GET", "/v1/environments", { token })).status).toBe(401);
  });
});

describe("a session that ends while one types", () => {
  test("is met by a dialog over the terminal; nothing typed is lost, and the terminal goes on", async () => {
    const name = fresh();
    const person = await join(name);
    const { page } = person;
    await person.createEnvironment();
    await person.type("echo be''fore\n");
    await person.untilScreen(/^before$/);
    await person.type("echo ty");
    // What is typed next does not reach the server any more, whichever comes first.
    await endSession(person);
    const dialog = page.getByRole("dialog", { name: "Sign in again" });
    await dialog.waitFor();
    expect(await dialog.getByLabel("Name", { exact: true }).inputValue()).toBe(name);
    await page.evaluate(`document.querySelector("[data-terminal] textarea").focus()`);
    expect(await page.evaluate<string[]>("Object.keys(sessionStorage)")).toEqual(["microterm.renderer"]);
    await dialog.getByLabel("Password", { exact: true }).fill("wrong");
    await page.keyboard.press("Enter");
    await dialog.getByText("Check both").waitFor();
    await dialog.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await page.keyboard.press("Enter");
    await dialog.waitFor({ state: "detached" });
    await person.untilTerminal("live");
    await person.untilScreen(/^before$/);
    expect(await person.focused()).toBe("Terminal input");
    await page.keyboard.type("''ped\n");
    await person.untilScreen(/^typed$/);
    // The list is followed again.
    await person.removeEnvironment();
  });

  test("and is somebody else's then shows nothing of the first", async () => {
    const name = fresh();
    const person = await join(name);
    const other = fresh();
    await join(other);
    await person.createEnvironment();
    await endSession(person);
    await person.page.getByRole("dialog", { name: "Sign in again" }).waitFor();
    // In another tab of the same browser.
    const tab = await person.context.newPage();
    await tab.goto(`${people.world.server.url}/sign-in`);
    await typePassword(tab, other);
    await atList(tab).waitFor();
    await person.page.waitForURL((url) => url.pathname === "/");
    await atList(person.page).waitFor();
    await people.world.server.ok("DELETE", `/v1/accounts/${name}?environments=destroy`);
  });
});
