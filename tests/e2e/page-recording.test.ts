import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PageObject, signIn } from "../../support/page.ts";
import { type ProcessPage, startProcessPage } from "../../support/process-page.ts";

const DEADLINE = { timeout: 120_000 };

let world: ProcessPage;
let page: PageObject;

beforeAll(async () => {
  world = await startProcessPage();
  page = await signIn(world.browser, world.server, { colorScheme: "dark" });
});

afterAll(() => world?.close());

const toggle = () => page.page.getByRole("button", { name: "Record this terminal" });
const recorded = () => page.page.getByRole("button", { name: "What was recorded" });
const choose = async (item: string): Promise<void> => {
  await recorded().click();
  await page.page.getByRole("menuitem", { name: item }).click();
};

describe("a recording", () => {
  test("is started and ended by a button that is red while it is on, in every window", async () => {
    const id = await page.createEnvironment();
    await page.type("PS1='$ '; echo not re''corded\n");
    await page.untilScreen(/^not recorded$/);
    expect(await toggle().getAttribute("aria-pressed")).toBe("false");
    expect(await recorded().count()).toBe(0);
    await toggle().click();
    await expect.poll(() => toggle().getAttribute("aria-pressed"), DEADLINE).toBe("true");
    expect(await toggle().textContent()).toBe("Recording");

    const other = await signIn(world.browser, world.server);
    await other.open(id);
    const its = other.page.getByRole("button", { name: "Record this terminal" });
    await expect.poll(() => its.getAttribute("aria-pressed"), DEADLINE).toBe("true");
    await other.close();

    await page.type("clear; printf 'in \\e[1;31mred\\e[m, and \\xe2\\x9c\\x93\\n'; echo the e''nd\n");
    await page.untilScreen(/^the end$/);
    await toggle().click();
    await expect.poll(() => toggle().getAttribute("aria-pressed"), DEADLINE).toBe("false");
    await page.type("echo af''terwards\n");
    await page.untilScreen(/^afterwards$/);
  });

  test("is downloaded as an asciicast of version 3", async () => {
    const [download] = await Promise.all([page.page.waitForEvent("download"), choose("Download")]);
    expect(download.suggestedFilename()).toMatch(/\.cast$/);
    const [header = "", ...events] = (await readFile(await download.path(), "utf8"))
      .split("\n")
      // Empty lines and comments.
      .filter((line) => !/^(#|$)/.test(line));
    expect(JSON.parse(header)).toMatchObject({
      version: 3,
      term: { cols: expect.any(Number), rows: expect.any(Number) },
    });
    const output = events.map((line) => JSON.parse(line)).flatMap(([, kind, text]) => (kind === "o" ? [text] : []));
    expect(output.join("")).toContain("in \x1b[1;31mred\x1b[m, and ✓");
    expect(output.join("")).toContain("the end");
    expect(output.join("")).not.toContain("afterwards");
  });

  test("is played in the page, in its colours, by keys that the terminal behind does not get", async () => {
    // As on a slow machine: the menu is still closing when the dialog that it opened has the focus.
    const slow = (time: string) =>
      page.page.evaluate(`{
        const sheet = new CSSStyleSheet();
        sheet.replaceSync("[role=menu] { transition-duration: ${time} !important }");
        document.adoptedStyleSheets = [sheet];
      }`);
    await slow("1.5s");
    await choose("Play");
    const dialog = page.page.getByRole("dialog");
    await dialog.locator('[data-player="ready"]').waitFor();
    await expect.poll(() => dialog.locator(".ap-term").textContent(), DEADLINE).toContain("the end");
    expect(await dialog.locator(".ap-term").textContent()).toContain("in red, and ✓");
    await expect.poll(() => page.page.locator("[role=menu]").count(), DEADLINE).toBe(0);
    await slow("0s");
    expect(await page.page.evaluate("document.activeElement.closest('[role=dialog]') !== null")).toBe(true);
    await dialog.getByRole("button", { name: "Play" }).waitFor();
    await page.page.keyboard.press("0");
    await expect.poll(() => dialog.locator(".ap-term").textContent(), DEADLINE).not.toContain("the end");
    await page.page.keyboard.press("Space");
    await expect.poll(() => dialog.locator(".ap-term").textContent(), DEADLINE).toContain("the end");
    await page.page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    expect(await page.focused()).toBe("Terminal input");
    await page.page.keyboard.type("echo nothing el''se\n");
    expect(await page.untilScreen(/^nothing else$/)).toContain("$ echo nothing el''se");
  });

  test("is deleted", async () => {
    await choose("Delete");
    await recorded().waitFor({ state: "detached" });
    await page.removeEnvironment();
    expect(page.errors).toEqual([]);
  });
});
