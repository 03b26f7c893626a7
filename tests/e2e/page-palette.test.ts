import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PageObject, signIn } from "../../support/page.ts";
import { type ProcessPage, startProcessPage } from "../../support/process-page.ts";

const DEADLINE = { timeout: 120_000 };

let world: ProcessPage;
let page: PageObject;
beforeAll(async () => {
  world = await startProcessPage();
  page = await signIn(world.browser, world.server);
});
afterAll(() => world?.close());

const palette = () => page.page.getByRole("dialog", { name: "Command palette" });
const options = () => palette().getByRole("option");
const open = async (): Promise<void> => {
  await page.page.keyboard.press("Control+Shift+P");
  await palette().waitFor();
};
/** Types it and takes what is offered first. */
const take = async (words: string): Promise<void> => {
  await open();
  await page.page.keyboard.type(words);
  await expect.poll(() => options().first().textContent(), DEADLINE).toMatch(new RegExp(words, "i"));
  await page.page.keyboard.press("Enter");
  await palette().waitFor({ state: "detached" });
};

describe("the command palette", () => {
  test("does by its keys what buttons do, from the list to a terminal", async () => {
    await take("new environment");
    await page.untilTerminal("live");
    await take("new terminal");
    await expect.poll(() => page.page.getByRole("tab").count(), DEADLINE).toBe(2);
    await take("find in this");
    await expect.poll(() => page.focused(), DEADLINE).toBe("Find");
    await page.page.keyboard.press("Escape");
    await take("show usage");
    await page.page.getByRole("dialog", { name: "Usage and limits" }).waitFor();
    await page.page.keyboard.press("Escape");
    await take("previous terminal");
    await expect.poll(() => page.page.getByRole("tab").first().getAttribute("aria-selected"), DEADLINE).toBe("true");
  });

  test("leads to environments and terminals by their names, and has what was used last first", async () => {
    const first = page.environmentId();
    await world.server.environment("second-one");
    await take("second-one");
    await page.untilTerminal("live");
    expect(page.environmentId()).not.toBe(first);
    await take("all environments");
    await page.page.waitForURL((url) => url.pathname === "/");
    await open();
    expect((await options().allTextContents()).slice(0, 2)).toEqual([
      "All environments",
      expect.stringMatching("second-one"),
    ]);
    await page.page.keyboard.press("Escape");
    await palette().waitFor({ state: "detached" });
  });

  test("offers nothing that cannot be done here, says when nothing is called so, and gives the focus back", async () => {
    await page.open((await world.server.environment("second-one").catch(() => ({ id: "" }))).id || "second-one");
    await page.untilTerminal("live");
    await page.page.getByLabel("Terminal input").focus();
    await open();
    await page.page.keyboard.type("resume");
    await palette().getByText("Nothing is called like that.").waitFor();
    await page.page.keyboard.press("Escape");
    await expect.poll(() => page.focused(), DEADLINE).toBe("Terminal input");
  });

  test("has a button in the header for who has no keys, and a sheet with all shortcuts", async () => {
    await page.page.getByRole("button", { name: "Command palette" }).click();
    await palette().waitFor();
    await page.page.keyboard.type("keyboard short");
    await page.page.keyboard.press("Enter");
    const sheet = page.page.getByRole("dialog", { name: "Keyboard shortcuts" });
    await sheet.waitFor();
    expect(await sheet.textContent()).toMatch(/Find in this terminalCtrl\+Shift\+F/);
    await page.page.keyboard.press("Escape");
    await sheet.waitFor({ state: "detached" });
    // `?` is a letter in a terminal, and opens the sheet elsewhere.
    await page.type("?");
    expect(await sheet.count()).toBe(0);
    await page.page.getByRole("button", { name: "Command palette" }).focus();
    await page.page.keyboard.press("?");
    await sheet.waitFor();
    await page.page.keyboard.press("Escape");
    expect(page.errors).toEqual([]);
  });
});
