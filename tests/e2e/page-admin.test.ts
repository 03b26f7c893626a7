import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { signIn } from "../../support/page.ts";
import { button, peopleSuite } from "../../support/people-suite.ts";
import { typePassword } from "../../support/person-page.ts";

const NEW_PASSWORD = "nine paper boats, and rain";

const people = peopleSuite();
const { fresh, join } = people;
const admin = async (path: string): Promise<Page> => {
  const { browser, server } = people.world;
  const { page } = people.kept(await signIn(browser, server));
  await page.goto(server.url + path);
  return page;
};
const row = (page: Page, name: string) =>
  page.getByRole("row").filter({ has: page.getByRole("rowheader", { name, exact: true }) });

describe("people", () => {
  test("are invited by a link that is shown once, and come by it", async () => {
    const page = await admin("/");
    await button(page, "Account: admin").click();
    await page.getByRole("link", { name: "Administration" }).click();
    await page.getByText("Nobody is invited.").waitFor();
    await button(page, "Invite people").click();
    await page.getByLabel("As", { exact: true }).selectOption("visitor");
    const uses = page.getByLabel("For how many people", { exact: true });
    await uses.fill("0");
    await uses.press("Enter");
    await page.getByText("A number from 1 to 1000.").waitFor();
    await uses.fill("1");
    await uses.press("Enter");
    const link = await page.getByLabel("Link of the invitation", { exact: true }).inputValue();
    expect(link.startsWith(`${people.world.server.url}/invitation#`)).toBe(true);
    await button(page, "Done").click();
    await page.getByText("Visitor, for one person").waitFor();
    expect(await page.content()).not.toContain(link);

    const name = fresh();
    const { page: person } = await people.open(link);
    await typePassword(person, name);
    await person.getByRole("heading", { name: "No environments of your own" }).waitFor();
    await row(page, name)
      .getByRole("combobox", { name: `Role of ${name}` })
      .waitFor();
    await page.getByText("Nobody is invited.").waitFor();
  });

  test("are invited by a link that can be withdrawn", async () => {
    const { code } = await people.world.server.ok("POST", "/v1/invitations", {});
    const page = await admin("/admin/people");
    await button(page, /^Withdraw the invitation of/).click();
    await page.getByText("Nobody is invited.").waitFor();
    const { page: late } = await people.open(`/invitation#${code}`);
    await late.getByRole("heading", { name: "This invitation can't be used" }).waitFor();
  });

  test("who are disabled see it at once, and come back when they are enabled", async () => {
    const name = fresh();
    const { page: person } = await join(name);
    await person.getByRole("heading", { name: "No environments yet" }).waitFor();
    const page = await admin("/admin/people");
    await button(page, `Disable ${name}`).click();
    await button(page, "Leave it enabled").click();
    await button(page, `Disable ${name}`).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Disable", exact: true }).click();
    await person.getByRole("dialog", { name: "Sign in again" }).waitFor();
    await row(page, name).getByText("Disabled").waitFor();
    await button(page, `Enable ${name}`).click();
    await button(page, `Disable ${name}`).waitFor();
    await person.getByLabel("Password", { exact: true }).fill("stapled-heron-under-6-lamps");
    await person.keyboard.press("Enter");
    await person.getByRole("dialog").waitFor({ state: "detached" });
  });

  test("get another role, with which their page begins anew", async () => {
    const name = fresh();
    const { page: person } = await join(name);
    const page = await admin("/admin/people");
    await page.getByRole("combobox", { name: `Role of ${name}` }).selectOption("visitor");
    await expect
      .poll(async () => (await people.world.server.ok("GET", "/v1/accounts")).accounts)
      .toContainEqual(expect.objectContaining({ name, role: "visitor" }));
    const again = person.getByRole("dialog", { name: "Sign in again" });
    const anew = person.getByRole("heading", { name: "No environments of your own" });
    await again.or(anew).waitFor();
    if (await again.isVisible()) {
      await person.getByLabel("Password", { exact: true }).fill("stapled-heron-under-6-lamps");
      await person.keyboard.press("Enter");
    }
    await anew.waitFor();
  });

  test("set a new password by a link that is shown once", async () => {
    const name = fresh();
    const { page: person } = await join(name);
    const page = await admin("/admin/people");
    await button(page, `New password for ${name}`).click();
    await button(page, "Make a link").click();
    const link = await page.getByLabel("Link for a new password", { exact: true }).inputValue();
    await page.keyboard.press("Escape");
    const { page: reset } = await people.open(link);
    await reset.getByLabel("New password", { exact: true }).fill("short");
    await reset.keyboard.press("Enter");
    await reset.getByText("A password has 12 to 128 characters.").waitFor();
    await reset.getByLabel("New password", { exact: true }).fill(NEW_PASSWORD);
    await reset.keyboard.press("Enter");
    await reset.getByRole("heading", { name: "No environments yet" }).waitFor();
    await person.getByRole("dialog", { name: "Sign in again" }).waitFor();
    const { page: late } = await people.open(link);
    await late.getByLabel("New password", { exact: true }).fill(NEW_PASSWORD);
    await late.keyboard.press("Enter");
    await late.getByRole("alert").waitFor();
  });

  test("are removed with all they have, and nobody removes the data folder's account or their own", async () => {
    const name = fresh();
    const person = await join(name);
    await person.createEnvironment();
    const page = await admin("/admin/people");
    await button(page, `Remove ${name}`).click();
    const dialog = page.getByRole("alertdialog");
    await dialog.getByText("Its environment is removed with it").waitFor();
    await dialog.getByRole("button", { name: "Remove", exact: true }).click();
    await row(page, name).waitFor({ state: "detached" });
    await person.page.getByRole("dialog", { name: "Sign in again" }).waitFor();
    await row(page, "admin you of the data folder").waitFor();
    expect(await row(page, "admin you of the data folder").getByRole("button").count()).toBe(0);
  });
});

describe("the audit log", () => {
  test("is filtered, paged and exported, and shows others' texts as texts", async () => {
    const { server } = people.world;
    const { id, name } = await server.environment();
    const hostile = "/tmp/<img src=x onerror=alert(1)>\u202e";
    await server.call("GET", `/v1/environments/${id}/files/content?path=${encodeURIComponent(hostile)}`);
    for (let at = 0; at < 55; at++) await server.ok("GET", "/v1/audit/export?action=sign-in");
    const page = await admin("/admin/audit");
    const rows = page.getByRole("table").getByRole("row");
    await page.getByLabel("Environment", { exact: true }).fill(name);
    await page.getByLabel("Environment", { exact: true }).press("Enter");
    await page.getByText("path: /tmp/<img src=x onerror=alert(1)>").waitFor();
    await button(page, "Clear").click();
    await page.getByLabel("Action", { exact: true }).selectOption("audit.exported");
    await expect.poll(() => rows.count()).toBe(51);
    await button(page, "Older entries").click();
    await expect.poll(() => rows.count()).toBe(56);
    const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Export").click()]);
    expect(download.suggestedFilename()).toBe("audit.jsonl");
    await page.getByLabel("Outcome", { exact: true }).selectOption("failed");
    await page.getByText("There are no such entries.").waitFor();
    await server.ok("DELETE", `/v1/environments/${id}`);
  });
});

describe("environments of all", () => {
  test("are shown with their owners and what they take, stopped, handed over and removed", async () => {
    const [first, second] = [fresh(), fresh()];
    const owner = await join(first);
    const id = await owner.createEnvironment();
    const other = await join(second);
    await other.page.getByRole("heading", { name: "No environments yet" }).waitFor();
    const page = await admin("/admin/environments");
    await page.getByText("over 1, 5 and 15 min").waitFor();
    const { environments } = await people.world.server.ok("GET", "/v1/admin/environments");
    const { name } = environments.find((one: { id: string }) => one.id === id);
    await button(page, `Stop ${name} of ${first}`).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Stop", exact: true }).click();
    await owner.untilEnvironment("stopped");
    await button(page, `Hand over ${name} of ${first}`).click();
    await button(page, "Hand it over").click();
    await page.getByText("Choose one.").waitFor();
    await page.getByLabel("To", { exact: true }).selectOption(second);
    await button(page, "Hand it over").click();
    await button(page, `Remove ${name} of ${second}`).waitFor();
    await other.page.getByRole("link", { name }).waitFor();
    await owner.page.getByRole("heading", { name: "There is no such environment" }).waitFor();
    // Who had it is told by whom it was given, and to whom.
    const told = `The admin admin gave ${name} to ${second}`;
    await owner.page.getByRole("link", { name: "All environments", exact: true }).click();
    await owner.page.getByRole("list", { name: "Given to others" }).getByText(told).waitFor();
    await owner.page.goto(`${people.world.server.url}/account`);
    await owner.page.getByRole("list", { name: "What admins did" }).getByText(told).waitFor();
    await button(page, `Remove ${name} of ${second}`).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Remove", exact: true }).click();
    await other.page.getByRole("heading", { name: "No environments yet" }).waitFor();
  });
});

describe("quotas", () => {
  test("of a role and of an account are changed, and hold at once", async () => {
    const name = fresh();
    const { page: person } = await join(name);
    const page = await admin("/admin/quotas");
    await button(page, "Change the quota of Member").click();
    const count = page.getByLabel("Environments", { exact: true });
    await count.fill("-1");
    await count.press("Enter");
    await page.getByText("A whole number up to 10000, or empty.").waitFor();
    await count.fill("0");
    await count.press("Enter");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await button(person, "New environment").click();
    await person.getByRole("alert").waitFor();
    await button(page, `Change the quota of ${name}`).click();
    await count.fill("3");
    await count.press("Enter");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.getByRole("row", { name: new RegExp(`^${name} its own`) }).waitFor();
    await person.goto(`${people.world.server.url}/account`);
    await person.getByRole("row", { name: "Environments 0 3 3" }).waitFor();
    await button(page, `Change the quota of ${name}`).click();
    await button(page, "Give it what its role has").click();
    await page.getByRole("row", { name: new RegExp(`^${name} Member`) }).waitFor();
  });
});
