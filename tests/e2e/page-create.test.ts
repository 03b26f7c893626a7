import type { Locator } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PageObject, signIn } from "../../support/page.ts";
import { type ProcessPage, startProcessPage } from "../../support/process-page.ts";

let world: ProcessPage;
let page: PageObject;

beforeAll(async () => {
  world = await startProcessPage();
  page = await signIn(world.browser, world.server);
});

afterAll(() => world?.close());

const home = async (): Promise<void> => void (await page.page.goto(`${world.server.url}/`));
const options = async (): Promise<Locator> => {
  await page.page.getByRole("button", { name: "Options for a new environment" }).click();
  return page.page.getByRole("dialog", { name: "New environment" });
};
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
    await stop.click();
    await page.untilEnvironment("stopped");
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
    await row.getByText("Stopped").waitFor();
    await row.getByRole("link", { name: "roomy" }).focus();
    await page.page.keyboard.press("Tab");
    expect(await page.focused()).toBe("Start roomy");
    await page.page.keyboard.press("Enter");
    await row.getByText("Running").waitFor();
    expect(page.errors).toEqual([]);
  });
});
