import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { signIn } from "../../support/page.ts";
import { type ProcessPage, startProcessPage } from "../../support/process-page.ts";

const DEADLINE = { timeout: 120_000 };

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

  test("says how to get a link without a session", async () => {
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

  test("draws named colours as they are, turns the wheel into rows, and copies once a person agreed", async () => {
    const page = await signIn(world.browser, world.server);
    await page.createEnvironment();
    await page.page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.type("printf '\\033[38;2;40;40;40mTRUE\\033[0m \\033[38;5;16mCUBE\\033[0m\\n'\n");
    await page.untilScreen(/^TRUE CUBE$/);
    const colorOf = (text: string) =>
      page.page.evaluate(
        `getComputedStyle([...document.querySelectorAll(".xterm-rows span")].find((span) => span.textContent === "${text}") ?? document.body).color`,
      );
    await expect.poll(() => colorOf("TRUE")).toBe("rgb(40, 40, 40)");
    expect(await colorOf("CUBE")).toBe("rgb(0, 0, 0)");

    await page.type("seq 500 | less\n");
    await page.untilScreen(/^1$/);
    await page.page.mouse.move(400, 300);
    await page.page.mouse.wheel(0, 100);
    await page.untilScreen((rows) => rows[0] === "4");
    await page.type("q");

    await page.type("printf '\\033]52;c;%s\\007' $(printf copied | base64)\n");
    await page.page.getByRole("button", { name: "Always allow" }).click();
    const copied = () => page.page.evaluate("navigator.clipboard.readText()");
    await expect.poll(copied).toBe("copied");
    await page.type("printf '\\033]52;c;%s\\007' $(printf again | base64)\n");
    await expect.poll(copied).toBe("again");
    expect(page.errors).toEqual([]);
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

  test.each(["signing out", "a sign-out elsewhere"])("leaves no screen behind in the tab after %s", async (way) => {
    const page = await signIn(world.browser, world.server);
    const kept = (): Promise<string[]> => page.page.evaluate<string[]>("Object.keys(sessionStorage)");
    const id = await page.createEnvironment();
    await page.type("echo se''cret\n");
    await page.untilScreen(/^secret$/);
    await page.page.reload();
    await page.untilTerminal("live");
    expect((await kept()).filter((key) => key.startsWith("microterm.screen.")).length).toBe(1);
    if (way === "signing out") {
      await page.page.getByRole("button", { name: "Account: admin" }).click();
      await page.page.getByRole("button", { name: "Sign out" }).click();
      await page.page.waitForURL((url) => url.pathname === "/sign-in");
    } else {
      // As another tab does it, of which this one only hears.
      const key = await page.page.evaluate<string>("localStorage.getItem('microterm.session-key')");
      const headers = { origin: world.server.url, "x-microterm-session": key };
      const ended = await page.context.request.delete(`${world.server.url}/v1/session`, { headers });
      expect(ended.status()).toBe(204);
    }
    await page.page.getByText("./microterm open").waitFor();
    expect(await kept()).toEqual(["microterm.renderer"]);
    await world.server.ok("DELETE", `/v1/environments/${id}`);
    expect(page.errors).toEqual([]);
    await page.close();
  });

  test("shows a page at an address that is not there", async () => {
    const page = await signIn(world.browser, world.server);
    const answer = await page.page.goto(`${world.server.url}/no/such/page`);
    expect(answer?.status()).toBe(404);
    await page.page.getByRole("heading", { name: "There is nothing at this address" }).waitFor();
    await page.page.getByRole("link", { name: "All environments" }).click();
    await page.page.getByRole("heading", { name: "No environments yet" }).waitFor();
    expect(page.errors).toEqual([]);
    await page.close();
  });

  test("uploads what is dropped on a terminal to the shell's folder, and never leaves for a dropped file", async () => {
    const page = await signIn(world.browser, world.server);
    // Nowhere to go on the list: the browser stays, and says where files can go.
    await page.drag("dragover", { "x.txt": 1 });
    await page.page.getByText("Files can be dropped on a running environment's terminal").waitFor();
    await page.drag("drop", { "x.txt": 1 });
    expect(new URL(page.page.url()).pathname).toBe("/");

    const id = await page.createEnvironment();
    await page.type("mkdir -p in/here; cd in/here; printf '\\e]7;file://h%s\\a' \"$PWD\"; clear; echo re''ady\n");
    await page.untilScreen(/^ready$/);
    const title = async (): Promise<string> => (await page.page.getByRole("tab").getAttribute("title")) ?? "";
    await expect.poll(title, DEADLINE).toMatch(/\/in\/here$/);
    const folder = (await title()).split("\n")[1] ?? "";
    await page.drag("dragover", { "x.txt": 1 });
    await page.page.getByText(`Drop to upload to ${folder}`).waitFor();
    const uploads = page.page.getByRole("region", { name: "Uploads" });
    const done = (name: string): Promise<void> =>
      uploads.getByRole("listitem").filter({ hasText: name }).getByText(`Uploaded to ${folder}.`).waitFor();
    const both = Promise.all([done("a b.txt"), done("empty.bin")]);
    await page.drag("drop", { "a b.txt": 5, "empty.bin": 0 });
    await both;
    // Another of the same name stands beside it.
    const second = done("a b-2.txt");
    await page.drag("drop", { "a b.txt": 7 });
    await second;
    await page.type("clear; wc -c *\n");
    for (const row of [/^ *5 a b\.txt$/, /^ *7 a b-2\.txt$/, /^ *0 empty\.bin$/]) await page.untilScreen(row);

    // A slow one can be cancelled, and leaves nothing.
    const devtools = await page.context.newCDPSession(page.page);
    const slow = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 200_000 };
    await devtools.send("Network.enable");
    await devtools.send("Network.emulateNetworkConditions", slow);
    await page.drag("drop", { "large.bin": 20_000_000 });
    await uploads.getByText(/^[1-9]\d* % of 19\.1 MiB$/).waitFor();
    await uploads.getByRole("button", { name: "Cancel large.bin" }).click();
    await uploads.getByText("large.bin").waitFor({ state: "detached" });
    await devtools.send("Network.emulateNetworkConditions", { ...slow, uploadThroughput: -1 });
    await page.type("clear; ls -A | grep -c large\n");
    await page.untilScreen(/^0$/);
    expect((await world.server.call("GET", `/v1/environments/${id}/files/stat?path=${folder}/large.bin`)).status).toBe(
      404,
    );

    // What can't be taken is said.
    await page.type("printf '\\e]7;file://h/none\\a'; clear; echo mo''ved\n");
    await page.untilScreen(/^moved$/);
    await page.drag("drop", { "lost.txt": 3 });
    await uploads.getByRole("alert").waitFor();
    await uploads.getByRole("button", { name: "Dismiss lost.txt" }).click();
    await page.removeEnvironment();
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
