import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { signIn } from "../../support/page.ts";
import { type ProcessPage, startProcessPage } from "../../support/process-page.ts";

let world: ProcessPage;

beforeAll(async () => {
  world = await startProcessPage();
});

afterAll(() => world?.close());

describe("the page", () => {
  test("goes from a sign-in link to a shell and back to nothing", async () => {
    const page = await signIn(world.browser, world.server);
    expect(await page.page.getByRole("heading").textContent()).toBe("No environments yet");
    const id = await page.createEnvironment();
    await page.type("echo $((40 + 2)) answers\n");
    await page.untilScreen(/^42 answers$/);
    expect(await page.page.getByRole("contentinfo").textContent()).toContain("Not isolated: don't run untrusted code.");

    expect(await page.removeEnvironment()).toContain("Nothing is left.");
    await page.page.waitForURL((url) => url.pathname === "/");
    expect((await world.server.call("GET", `/v1/environments/${id}`)).status).toBe(404);
    expect(page.errors).toEqual([]);
    await page.close();
  });

  test("takes the token out of the address and the history, and spends it once", async () => {
    const page = await signIn(world.browser, world.server);
    expect(await page.page.evaluate("location.href")).not.toContain("#");
    await page.page.goBack().catch(() => undefined);
    expect(page.page.url()).not.toContain("token");
    await page.close();
  });

  test("says how to get a link to whoever has none", async () => {
    const context = await world.browser.newContext();
    const page = await context.newPage();
    await page.goto(`${world.server.url}/e/abcdefghijkl`);
    await page.waitForURL((url) => url.pathname === "/sign-in");
    await page.getByText("./microterm open").waitFor();
    await context.close();
  });

  test("keeps the screen and continues at the next byte over a refresh in the middle of output", async () => {
    const page = await signIn(world.browser, world.server);
    await page.createEnvironment();
    await page.type(
      "PS1='$ '; printf '\\033]0;counting\\007'; for i in $(seq 400); do echo line $i; sleep .01; done; echo all''done\n",
    );
    await page.untilScreen(/line \d+/);
    await page.page.reload();
    const rows = await page.untilScreen("alldone");
    const numbers = rows.flatMap((row) => /^line (\d+)$/.exec(row)?.[1] ?? []).map(Number);
    expect(numbers.length).toBeGreaterThan(10);
    expect(numbers).toEqual(numbers.map((_, i) => 400 - numbers.length + 1 + i));
    await expect.poll(() => page.page.title()).toContain("counting · ");
    await page.removeEnvironment();
    await page.close();
  });

  test("asks before several lines are pasted into a program that would run them", async () => {
    const page = await signIn(world.browser, world.server);
    await page.createEnvironment();
    await page.type("bind 'set enable-bracketed-paste off'; cat\n");
    await page.untilScreen(/; cat$/);
    await page.paste("first line\nsecond line\n");
    const preview = page.page.getByRole("alertdialog");
    await preview.getByText("Paste 2 lines?").waitFor();
    await preview.getByRole("button", { name: "Cancel" }).click();
    await page.paste("third line\nfourth line\n");
    await preview.getByRole("button", { name: "Paste", exact: true }).click();
    const rows = await page.untilScreen("fourth line");
    expect(rows.join("\n")).not.toContain("first line");
    expect(await page.focused()).toBe("Terminal input");
    await page.removeEnvironment();
    await page.close();
  });

  // A browser has six HTTP/1.1 connections to a server for all its tabs together.
  test("stays live in any number of tabs of one browser", async () => {
    const page = await signIn(world.browser, world.server);
    const tabs = [page.page];
    for (let tab = 1; tab < 12; tab++) {
      const opened = await page.context.newPage();
      await opened.goto(`${world.server.url}/`);
      tabs.push(opened);
    }
    for (const tab of tabs) await tab.getByRole("heading", { name: "No environments yet" }).waitFor();
    const { name, id } = await world.server.environment("seen-by-all");
    for (const tab of tabs) await tab.getByRole("link", { name }).waitFor();
    // With as many tabs there is room for requests, and for terminals.
    await page.open(id);
    await page.untilTerminal("live");
    await page.removeEnvironment();
    for (const tab of tabs) await tab.getByRole("heading", { name: "No environments yet" }).waitFor();
    expect(page.errors).toEqual([]);
    await page.close();
  });

  test("says how a program ended and opens another terminal", async () => {
    const page = await signIn(world.browser, world.server);
    await page.createEnvironment();
    await page.type("exit 3\n");
    await page.untilTerminal("exited");
    await page.page.getByText("Exited with code 3").waitFor();
    await page.page.getByRole("button", { name: "New terminal" }).click();
    await page.untilTerminal("live");
    await page.type("echo an''other\n");
    await page.untilScreen(/^another$/);
    await page.removeEnvironment();
    await page.close();
  });
});
