import type { Locator } from "playwright-core";
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

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}
/** Until the list is there: it comes with a button of its own where it is empty. */
const home = async (): Promise<void> => {
  await page.page.goto(`${world.server.url}/`);
  const list = page.page.getByRole("table").or(page.page.getByRole("heading", { name: "No environments yet" }));
  await list.waitFor();
};
const opener = (): Locator => page.page.getByRole("button", { name: "Options for a new environment" });
const options = async (): Promise<Locator> => {
  await opener().click();
  return page.page.getByRole("dialog", { name: "New environment" });
};
const boxOf = async (of: Locator): Promise<Box> => (await of.boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
const bar = (): Promise<string | null> => page.page.getByRole("contentinfo").textContent();

describe("a new environment", () => {
  test("has a size of the list", async () => {
    const dialog = await options();
    const sizes = dialog.getByRole("radio");
    expect(await sizes.count()).toBe(4);
    expect(await dialog.getByRole("radio", { name: /Medium/i }).isChecked()).toBe(true);
    await dialog.getByRole("radio", { name: /Large.*2 CPUs · 1 GiB/i }).check();
    await dialog.getByLabel("Name").fill("roomy");
    await dialog.getByLabel("Rests when idle for").selectOption("1 hour");
    await dialog.getByLabel("Removed after").selectOption("1 day");
    await page.page.keyboard.press("Enter");
    await page.untilTerminal("live");
    const words = await bar();
    for (const part of ["large · 2 CPUs · 1 GiB · 2 GiB disk", "Rests after 1 h", "Removed in 24 h"]) {
      expect(words).toContain(part);
    }
    const { memoryMib, idleTimeoutSeconds, expiresAt } = await world.server.ok("GET", "/v1/environments/roomy");
    expect([memoryMib, idleTimeoutSeconds, expiresAt === null]).toEqual([1024, 3600, false]);
  });

  test("has numbers of one's own, and what is wrong with them is said with what to do", async () => {
    await home();
    const dialog = await options();
    await dialog.getByRole("radio", { name: /Custom/i }).check();
    // All sizes boot alike with this driver: none says so.
    expect(await dialog.getByText("boots").count()).toBe(0);
    await dialog.getByLabel("Memory, MiB").fill("300");
    await dialog.getByLabel("Name").fill("roomy");
    await dialog.getByRole("button", { name: "Create" }).click();
    const alert = dialog.getByRole("alert");
    await alert.getByText("Choose another name").waitFor();
    await dialog.getByLabel("Name").fill("own");
    await dialog.getByRole("button", { name: "Create" }).click();
    await page.untilTerminal("live");
    expect(await bar()).toContain("custom · 1 CPU · 300 MiB · 2 GiB disk");
  });

  test("is stopped where it can't be paused", async () => {
    const stop = page.page.getByRole("button", { name: "Stop", exact: true });
    await stop.waitFor();
    expect(await page.page.getByRole("button", { name: "Pause" }).count()).toBe(0);
    await page.stopEnvironment();
    await page.page.getByRole("heading", { name: "own is stopped" }).waitFor();
    await page.page.keyboard.press("Enter");
    await page.untilTerminal("live");
    await page.removeEnvironment();
  });

  test("is on the list with what can be done, also for a keyboard", async () => {
    await home();
    const row = page.page.getByRole("row", { name: /roomy/ });
    await row.getByRole("link", { name: "roomy" }).focus();
    await page.page.keyboard.press("Tab");
    expect(await page.focused()).toBe("Stop roomy");
    await page.page.keyboard.press("Enter");
    await page.page.getByRole("alertdialog", { name: "Stop roomy?" }).waitFor();
    await page.page.keyboard.press("Escape");
    await expect.poll(() => page.focused(), DEADLINE).toBe("Stop roomy");
    await page.page.keyboard.press("Enter");
    const focused = (): Promise<string> => page.page.evaluate<string>("document.activeElement.textContent");
    await expect.poll(focused, DEADLINE).toBe("Keep it running");
    await page.page.keyboard.press("Tab");
    await expect.poll(focused, DEADLINE).toBe("Stop");
    await page.page.keyboard.press("Enter");
    await row.getByText("Stopped").waitFor();
    await row.getByRole("link", { name: "roomy" }).focus();
    await page.page.keyboard.press("Tab");
    expect(await page.focused()).toBe("Start roomy");
    await page.page.keyboard.press("Enter");
    await row.getByText("Running").waitFor();
    expect(page.errors).toEqual([]);
  });
});

/** Shown on the page at any moment, however short. */
const WATCH = `window.seen = [];
  new MutationObserver(() => {
    const shown = document.querySelectorAll('[role="alert"], [aria-label="Starting"] h1 + p');
    for (const { textContent } of shown) window.seen.push(textContent);
  }).observe(document.body, { subtree: true, childList: true, characterData: true });`;

describe("an environment that is stopped and started again", () => {
  test("tells no error on the way, and counts from the start, not from its creation", async () => {
    await page.page.goto(`${world.server.url}/e/roomy`);
    await page.untilTerminal("live");
    const { createdAt } = await world.server.ok("GET", "/v1/environments/roomy");
    await page.page.evaluate(WATCH);
    await page.stopEnvironment();
    await expect.poll(() => Date.now() - Date.parse(createdAt), DEADLINE).toBeGreaterThan(3000);
    await page.page.keyboard.press("Enter");
    await page.untilTerminal("live");
    const [first, ...others] = await page.page.evaluate<string[]>("window.seen");
    expect(first).toBe("0 s so far");
    for (const words of others) expect(words).toMatch(/^\d+ s so far$/);
  });

  test("says that it has failed, with its last words, and goes on by Enter", async () => {
    // The shell's parent is what the `process` driver has for a machine.
    await page.type("kill -9 $PPID\n");
    await page.untilEnvironment("failed");
    await page.page.getByRole("heading", { name: "roomy has failed" }).waitFor();
    await page.page.getByRole("region", { name: "Logs" }).waitFor();
    // Once: said again, a reason looks like several.
    expect(await page.page.getByText(/VMM died/i).count()).toBe(1);
    await page.page.keyboard.press("Enter");
    await page.untilTerminal("live");
    await page.type("echo ba''ck\n");
    await page.untilScreen(/^back$/);
    expect(page.errors).toEqual([]);
  });

  test("is removed by keys alone, and the focus goes on to what is left", async () => {
    const focused = (): Promise<string> => page.page.evaluate<string>("document.activeElement.textContent");
    await page.page.getByRole("button", { name: "Remove", exact: true }).focus();
    await page.page.keyboard.press("Enter");
    await expect.poll(focused, DEADLINE).toBe("Keep it");
    await page.page.keyboard.press("Tab");
    await page.page.keyboard.press("Enter");
    await expect.poll(focused, DEADLINE).toBe("Done");
    await page.page.keyboard.press("Enter");
    await expect.poll(focused, DEADLINE).toBe("New environment");
  });
});

describe("the button for a new environment", () => {
  test("opens its form below it, however low the window is", async () => {
    await home();
    await page.page.setViewportSize({ width: 900, height: 360 });
    const dialog = await options();
    const [button, form] = [await boxOf(opener()), await boxOf(dialog)];
    expect(form.y).toBeGreaterThanOrEqual(button.y + button.height);
    expect(form.y + form.height).toBeLessThanOrEqual(360);
    const create = dialog.getByRole("button", { name: "Create" });
    await create.focus();
    const { y, height } = await boxOf(create);
    expect(y + height).toBeLessThanOrEqual(360);
    await page.page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    expect(await page.focused()).toBe("Options for a new environment");
  });

  test("may be clicked twice: what comes under the pointer meanwhile is not meant", async () => {
    const other = await signIn(world.browser, world.server);
    await other.createEnvironment();
    const { x, y, width, height } = await boxOf(other.page.getByRole("button", { name: "Stop", exact: true }));
    const [left, top] = [x + width / 2, y + height / 2];
    const under = (): Promise<string> =>
      other.page.evaluate<string>(`document.elementFromPoint(${left}, ${top})?.closest("button")?.textContent ?? ""`);
    await other.page.goto(`${world.server.url}/`);
    await other.page.getByRole("table").waitFor();
    // No time passes between clicks: two are a double click on the slowest machine.
    await other.page.evaluate(`Object.defineProperty(Event.prototype, "timeStamp", { get: () => 1000 })`);
    expect(await under()).toBe("New environment");
    await other.page.mouse.click(left, top);
    await expect.poll(under, DEADLINE).toBe("Stop");
    await other.page.mouse.click(left, top);
    expect(await under()).toBe("Stop");
    await other.untilTerminal("live");
    await other.type("echo al''ive\n");
    await other.untilScreen(/^alive$/);
    expect(other.errors).toEqual([]);
    await other.close();
  });
});
