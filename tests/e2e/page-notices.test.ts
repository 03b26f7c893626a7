import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PageObject, signIn } from "../../support/page.ts";
import { type ProcessPage, startProcessPage } from "../../support/process-page.ts";
import { poll } from "../../support/server.ts";

let world: ProcessPage;
let page: PageObject;

beforeAll(async () => {
  world = await startProcessPage();
  page = await signIn(world.browser, world.server);
});

afterAll(() => world?.close());

/** As if the screens that this tab keeps were of terminals that had printed far more. */
const AGE_SCREENS = `for (const key of Object.keys(sessionStorage).filter((key) => key.startsWith("microterm.screen.")))
  sessionStorage.setItem(key, sessionStorage.getItem(key).replace(/^\\d+/, "99999999999"));
  Object.keys(sessionStorage).filter((key) => key.startsWith("microterm.screen.")).length`;

describe("a terminal's notice", () => {
  test("says that a kept screen was another terminal's, which is shown as it is", async () => {
    const id = await page.createEnvironment();
    await page.type("PS1='$ '; clear; echo wh''ole\n");
    await page.untilScreen(/^whole$/);
    await page.page.goto(`${world.server.url}/`);
    expect(await page.page.evaluate<number>(AGE_SCREENS)).toBe(1);
    await page.open(id);
    await page.untilTerminal("live");
    const notice = page.page.getByRole("status").filter({ hasText: "the terminal as it is now" });
    await notice.waitFor();
    expect(await page.untilScreen(/^whole$/)).toContain("whole");
    await page.page.getByRole("button", { name: "Dismiss" }).click();
    await notice.waitFor({ state: "detached" });
    await page.removeEnvironment();
    expect(page.errors).toEqual([]);
  });
});

describe("a terminal's notice after a restart of the server", () => {
  test("says that output is missing when too much was printed meanwhile", async () => {
    await page.createEnvironment();
    const { pid, data } = world.server;
    const printed = join(data, "printed");
    // More than the 4 MiB that a terminal keeps by itself.
    await page.type(`while kill -0 ${pid}; do sleep .1; done 2>&-; seq 650000; touch ${printed}\n`);
    await page.untilScreen("touch");
    await world.restartServer(() => poll("the output", () => existsSync(printed)));
    await page.untilTerminal("live");
    await page.untilScreen(/^650000$/);
    await page.page.getByRole("status").filter({ hasText: "Ctrl+L redraws most programs" }).waitFor();
    await page.removeEnvironment();
    expect(page.errors).toEqual([]);
  });
});

describe("a server that is gone", () => {
  test("leaves nothing green and no action that could not be done, on the list and in a terminal", async () => {
    const id = await page.createEnvironment();
    const list = await signIn(world.browser, world.server);
    const row = list.page.getByRole("row").filter({ has: list.page.getByRole("link") });
    await row.getByText("Running").waitFor();
    await world.restartServer(async () => {
      for (const { page: window } of [page, list]) {
        await window.getByText("The microterm server does not answer").waitFor();
        await window.getByText("Offline").first().waitFor();
        expect(await window.getByText("Running", { exact: true }).count()).toBe(0);
        expect(await window.locator(".bg-ok").count()).toBe(0);
        for (const name of [/^New environment$/, /^Stop/, /^Remove/, "Open another tab", "Record this terminal"]) {
          for (const button of await window.getByRole("button", { name }).all()) {
            expect([name, await button.isDisabled()]).toEqual([name, true]);
          }
        }
      }
      // Nothing is asked of a server that is not there.
      await page.page.getByRole("button", { name: "Remove", exact: true }).click({ force: true });
      expect(await page.page.getByRole("alertdialog").count()).toBe(0);
    });
    await row.getByText("Running").waitFor();
    await page.untilTerminal("live");
    expect(await page.page.getByRole("button", { name: "Stop", exact: true }).isEnabled()).toBe(true);
    expect(page.environmentId()).toBe(id);
    await page.removeEnvironment();
    expect([...page.errors, ...list.errors]).toEqual([]);
    await list.close();
  });
});

describe("an environment whose time is nearly over", () => {
  test("says so, and is kept for another hour by a click", async () => {
    const { server } = world;
    // Shown in the second half of a life this short, and once more in its last tenth.
    const { id } = await server.ok("POST", "/v1/environments", { name: "brief", ttlSeconds: 40 });
    await page.open(id);
    await page.untilTerminal("live");
    // Also what doesn't run is lost then.
    await page.stopEnvironment();
    const notice = page.page.getByRole("alert").filter({ hasText: "brief will be removed, with its disk." });
    await notice.getByText(/In \d+ s\./).waitFor();
    await notice.getByRole("button", { name: "Keep for another hour" }).click();
    await notice.waitFor({ state: "detached" });
    const { expiresAt, notice: told } = await server.ok("GET", `/v1/environments/${id}`);
    expect(told).toBeNull();
    expect(Date.parse(expiresAt) - Date.now()).toBeGreaterThan(50 * 60_000);
    await page.page
      .getByRole("contentinfo")
      .getByText(/^Removed in \d+ min/)
      .waitFor();
    await page.removeEnvironment();
    // A later visitor is told why it was removed.
    await page.open(id);
    await page.page.getByRole("heading", { name: "brief is not there any more" }).waitFor();
    await page.page.getByText(/^It was removed on .+ on request\.$/).waitFor();
    expect(page.errors).toEqual([]);
  });
});
