import { beforeAll, describe, expect, test } from "vitest";
import { faults } from "../../support/axe.ts";
import { button } from "../../support/people-suite.ts";
import { typePassword } from "../../support/person-page.ts";
import {
  acceptAs,
  DEADLINE,
  nothingShared,
  sharedNow,
  sharingSuite,
  statusOf,
  withoutAccount,
} from "../../support/sharing-suite.ts";

const suite = sharingSuite();
const { openDialog, closeDialog, endAll, shareByLink, guest } = suite;
beforeAll(async () => {
  await (await suite.join("bob")).close();
});

describe("the dialog", () => {
  test("says what an editor may, what is wrong with what is typed, and makes links that are listed and ended", async () => {
    const page = await openDialog();
    await nothingShared(page).waitFor();
    await page.getByLabel("Who may").selectOption("editor");
    await page.getByText("as root too: sudo asks for no password").waitFor();
    await page.getByLabel("For how many people").fill("0");
    await button(page, "Make a link").click();
    await page.getByText("A number from 1 to 250.").waitFor();
    expect(await faults(page)).toEqual([]);
    await page.getByLabel("For how many people").fill("3");
    await page.keyboard.press("Enter");
    const link = await page.getByLabel("Link to this terminal", { exact: true }).inputValue();
    expect(link).toMatch(new RegExp(`^${suite.world.server.url}/shared#[a-z0-9]{48}$`));
    await sharedNow(page).getByText("A link to type").waitFor();
    await sharedNow(page).getByText("for 3 people more").waitFor();
    expect(await faults(page)).toEqual([]);
    await closeDialog();
    await endAll();
  });

  test("with an account that there is, and with none that there is not nor with oneself", async () => {
    const page = await openDialog();
    await page.getByLabel("With", { exact: true }).selectOption("account");
    const account = page.getByLabel("Name of the account");
    for (const [typed, said] of [
      ["", "Fill this in."],
      ["nobody-here", "There is no account 'nobody-here'"],
      ["admin", "The terminal is your own"],
    ] as const) {
      await account.fill(typed);
      await button(page, "Share").last().click();
      await page.getByText(said).waitFor();
    }
    await account.fill("bob");
    await page.keyboard.press("Enter");
    await page.getByText("finds it under “Shared with me”").waitFor();
    await sharedNow(page).getByText("bob").waitFor();
    await closeDialog();
    await endAll();
  });

  test("is done by keys alone", async () => {
    const page = suite.owner.page;
    await button(page, "Share").focus();
    await page.keyboard.press("Enter");
    // The first field has the focus; three more, two ticks, and the button follow.
    await page.getByRole("dialog").getByLabel("With", { exact: true }).and(page.locator(":focus")).waitFor();
    for (let step = 0; step < 4; step++) await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByLabel("Link to this terminal", { exact: true }).and(page.locator(":focus")).waitFor();
    await sharedNow(page).getByText("A link to look on, also without an account").waitFor();
    await page.keyboard.press("Escape");
    await button(page, "Share").and(page.locator(":focus")).waitFor();
    await endAll();
  });
});

describe("a link that is opened without an account", () => {
  test("says what it is, asks for a name, and shows the terminal as it is drawn, until it is revoked", async () => {
    await suite.owner.type("clear; echo before the sha''re\n");
    await suite.owner.untilScreen(/^before the share$/);
    const link = await shareByLink(withoutAccount);
    const page = await guest(link, { colorScheme: "light" });
    await page.page.getByRole("heading", { name: "A terminal is shared with you" }).waitFor();
    await page.page.reload();
    await page.page.getByText("admin shares a terminal with you").waitFor();
    await page.page.getByText("You look on, and may ask to type.").waitFor();
    expect(await faults(page.page)).toEqual([]);
    await button(page.page, "Open the terminal").click();
    await page.page.getByText("Fill this in.").waitFor();
    await page.page.getByLabel("Your name").fill("\u202e\u200b");
    await page.page.keyboard.press("Enter");
    await page.page.getByText("A name needs a letter or a digit.").waitFor();
    await acceptAs(page, "<b>Zoë</b>");
    // The code stays in no history.
    expect(page.page.url()).not.toContain("#");
    await page.untilTerminal("live");
    await page.untilScreen(/^before the share$/);
    await page.page.getByRole("heading", { name: "Viewing admin's terminal" }).waitFor();
    await statusOf(page, "You look on").waitFor();
    expect(await faults(page.page)).toEqual([]);

    // Whatever a viewer types goes nowhere, now and later; what programs ask for but drawing does not act there.
    await page.type("echo from the gue''st\n");
    await page.page.getByText("Ask for the keyboard to type.").waitFor();
    await suite.owner.type("clear; printf '\\e]52;c;aGVsbG8=\\a\\e]0;evil title\\a\\a'; echo from the own''er\n");
    await page.untilScreen(/^from the owner$/);
    expect(await page.readScreen()).toEqual(await suite.owner.readScreen());
    expect(await page.page.title()).toBe("admin's terminal · microterm");
    expect(await page.page.getByText("wants to copy").count()).toBe(0);

    await page.page.reload();
    await page.untilTerminal("live");
    await page.untilScreen(/^from the owner$/);
    await endAll();
    await page.page.getByRole("heading", { name: "This terminal is not shared with you any more" }).waitFor();
    await page.page.reload();
    await page.page.getByRole("heading", { name: "This terminal is not shared with you" }).waitFor();
    expect(await page.page.evaluate("Object.keys(sessionStorage).filter((key) => key.includes('screen')).length")).toBe(
      0,
    );
  });

  test("is refused where it has ended, is guessed or cut, or is for people with an account", async () => {
    const link = await shareByLink();
    const page = await guest(link);
    await page.page.getByText("It is for people with an account.").waitFor();
    expect(await faults(page.page)).toEqual([]);
    await endAll();
    for (const [address, said] of [
      [link, "This link has ended, is used up, or never was one."],
      [`${suite.world.server.url}/shared#${"a".repeat(48)}`, "This link has ended, is used up, or never was one."],
      [`${suite.world.server.url}/shared#${"a".repeat(12)}`, "This link is not whole."],
      [`${suite.world.server.url}/shared`, "This link is not whole."],
    ] as const) {
      const other = await guest(address);
      await other.page.getByText(said).waitFor();
    }
  });

  test("leads back after a sign-in, and is left for good", async () => {
    const link = await shareByLink();
    const page = await guest(link);
    await page.page.getByRole("link", { name: "Sign in to open it" }).click();
    expect(page.page.url()).not.toContain(link.split("#")[1] ?? "");
    await typePassword(page.page, "bob");
    await page.page.getByText("You are signed in as bob").waitFor();
    await page.page.keyboard.press("Enter");
    await page.untilTerminal("live");
    await button(page.page, "Leave").click();
    await page.page.getByText("The link that you came by leads to it again, until it ends.").waitFor();
    await page.page.getByRole("alertdialog").getByRole("button", { name: "Leave" }).click();
    await page.page.waitForURL((url) => url.pathname === "/");
    await endAll();
  });
});

describe("those who are there", () => {
  test("are shown to each other, ask for the keyboard, are given it, and have it taken back", async () => {
    const link = await shareByLink(withoutAccount);
    const zoe = await guest(link);
    await acceptAs(zoe, "Zoë");
    await zoe.untilTerminal("live");
    const people = button(suite.owner.page, /^Who is here/);
    await people.getByText("“Zoë”").waitFor();
    await people.getByText("no account").waitFor();
    await button(zoe.page, /^Who is here/)
      .getByText("admin")
      .waitFor();
    expect(await faults(suite.owner.page)).toEqual([]);

    await button(zoe.page, "Ask for the keyboard").click();
    await zoe.page.getByText("You have asked for the keyboard").waitFor();
    await suite.owner.page.getByText("asks for the keyboard.").waitFor();
    await suite.owner.page.getByRole("tab").getByLabel("Somebody asks to type:").waitFor();
    expect(await faults(suite.owner.page)).toEqual([]);
    // Nobody without an account types where the server was not told so.
    await button(suite.owner.page, "Let them type").click();
    await suite.owner.page.getByText("this server lets nobody type without an account").first().waitFor();
    await button(suite.owner.page, "Not now").click();
    await button(zoe.page, "Ask for the keyboard").waitFor();

    const ann = await suite.member("ann", link);
    await button(ann.page, "Ask for the keyboard").click();
    await button(suite.owner.page, "Let them type").click();
    await statusOf(ann, "You may type").waitFor();
    await ann.type("clear; echo from a''nn\n");
    await suite.owner.untilScreen(/^from ann$/);
    await zoe.untilScreen(/^from ann$/);

    await people.click();
    const list = suite.owner.page.getByRole("list", { name: "Who is here" });
    expect(await faults(suite.owner.page)).toEqual([]);
    await list.getByRole("button", { name: "Hand over: the keyboard to “Zoë” (no account)" }).waitFor();
    await list.getByRole("button", { name: "Take back: the keyboard of ann" }).click();
    await statusOf(ann, "You look on").waitFor();
    await ann.page.setViewportSize({ width: 390, height: 720 });
    expect(await faults(ann.page)).toEqual([]);
    await list.getByRole("button", { name: /^Remove “Zoë”/ }).click();
    await zoe.page.getByRole("heading", { name: "This terminal is not shared with you any more" }).waitFor();
    await suite.owner.page.keyboard.press("Escape");
    await endAll();
  });
});

describe("what is shared with an account", () => {
  test("is in its list until it is left, also for a visitor", async () => {
    const vic = await suite.join("vic", "visitor");
    const page = await openDialog();
    await page.getByLabel("With", { exact: true }).selectOption("account");
    await page.getByLabel("Name of the account").fill("vic");
    await page.keyboard.press("Enter");
    await page.getByText("finds it under “Shared with me”").waitFor();
    await closeDialog();
    await vic.page.reload();
    await vic.page.getByRole("heading", { name: "Shared with me" }).waitFor();
    expect(await faults(vic.page)).toEqual([]);
    await vic.page.getByRole("link", { name: "Terminal of admin" }).click();
    await vic.untilTerminal("live");
    await button(suite.owner.page, /^Who is here/)
      .getByText("vic")
      .waitFor();
    await vic.page.goto(suite.world.server.url);
    await button(vic.page, "Leave the terminal of admin").click();
    await vic.page.getByRole("alertdialog").getByRole("button", { name: "Leave" }).click();
    await expect.poll(() => vic.page.getByRole("heading", { name: "Shared with me" }).count(), DEADLINE).toBe(0);
    await endAll();
  });
});

describe("an admin who looks in", () => {
  test("is shown to the owner for as long as that lasts, and cannot ask to type", async () => {
    const carl = await suite.join("carl", "admin");
    await carl.page.goto(`${suite.world.server.url}/admin/environments?renderer=dom`);
    const { page } = carl;
    const lookIn = button(page, /^Look into .* of admin$/);
    // Two terminals: which one is asked.
    const terminal = await suite.owner.terminal.getAttribute("data-terminal");
    await button(suite.owner.page, "Open another tab").click();
    await expect.poll(() => suite.owner.terminal.getAttribute("data-terminal"), DEADLINE).not.toBe(terminal);
    await suite.owner.untilTerminal("live");
    await lookIn.click();
    const question = page.getByRole("alertdialog");
    await question.getByText("That is written in the audit log, and admin is shown that you look").waitFor();
    await question.getByLabel("Terminal", { exact: true }).selectOption({ index: 1 });
    expect(await faults(page)).toEqual([]);
    await page.setViewportSize({ width: 390, height: 720 });
    const width = (of: "scrollWidth" | "clientWidth") =>
      page.evaluate<number>(`document.querySelector("main table").parentElement.${of}`);
    expect(await width("scrollWidth")).toBe(await width("clientWidth"));
    await page.setViewportSize({ width: 1200, height: 720 });
    await button(page, "Don't look").click();
    await expect.poll(() => question.count(), DEADLINE).toBe(0);
    await lookIn.click();
    await question.getByLabel("Terminal", { exact: true }).selectOption({ index: 1 });
    await button(page, "Look into").click();
    await page.waitForURL((url) => url.pathname.startsWith("/shared/"));
    await carl.untilTerminal("live");
    await carl.page.getByRole("heading", { name: "Looking into admin's terminal" }).waitFor();
    await statusOf(carl, "You look on").waitFor();
    expect(await button(carl.page, "Ask for the keyboard").count()).toBe(0);

    const people = button(suite.owner.page, /^Who is here/);
    await people.getByText("looks in, as an admin").waitFor();
    // Also where there is no room for much.
    await suite.owner.page.setViewportSize({ width: 390, height: 720 });
    await people.getByText("looks in", { exact: true }).waitFor();
    await suite.owner.page.getByRole("tab").getByLabel("An admin looks in:").waitFor();
    expect(await faults(suite.owner.page)).toEqual([]);
    await suite.owner.page.setViewportSize({ width: 1200, height: 720 });
    await button(carl.page, "Leave").click();
    await carl.page.getByText("To see it again you look in again").waitFor();
    await carl.page.getByRole("alertdialog").getByRole("button", { name: "Leave" }).click();
    await expect.poll(() => people.count(), DEADLINE).toBe(0);
    await carl.page.waitForURL((url) => url.pathname === "/admin/environments");

    // That it was done is there afterwards.
    const seen = /^The admin carl looked into a terminal of /;
    await button(suite.owner.page, "Looked into by admins: once").click();
    await suite.owner.page.getByRole("list", { name: "Looked into by admins" }).getByText(seen).waitFor();
    expect(await faults(suite.owner.page)).toEqual([]);
    await suite.owner.page.keyboard.press("Escape");
    await endAll();
  });

  test("is refused in words where there is nothing to look into any more", async () => {
    const { page } = await suite.join("carla", "admin");
    await page.goto(`${suite.world.server.url}/admin/environments`);
    const member = await suite.join("mia");
    const id = await member.createEnvironment();
    const lookIn = button(page, /^Look into .* of mia$/);
    await lookIn.click();
    await button(page, "Look into").waitFor();
    await suite.world.server.ok("POST", `/v1/environments/${id}/stop`);
    await member.untilEnvironment("stopped");
    await button(page, "Look into").click();
    await page.getByRole("alertdialog").getByRole("alert").waitFor();
    await button(page, "Don't look").click();
    await expect.poll(() => lookIn.count(), DEADLINE).toBe(0);
    await suite.world.server.ok("DELETE", `/v1/environments/${id}`);
  });
});
