import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AXE, faults } from "../../support/axe.ts";
import { type PageObject, signIn } from "../../support/page.ts";
import { invite } from "../../support/people.ts";
import { type ProcessPage, startProcessPage } from "../../support/process-page.ts";

let world: ProcessPage;
beforeAll(async () => {
  world = await startProcessPage();
});
afterAll(() => world?.close());

/** How many pixels of the first plot have its line's colour, which differs from theme to theme. */
const LINE_PIXELS = `(() => {
  const canvas = document.querySelector("[data-usage] canvas");
  const one = new OffscreenCanvas(1, 1).getContext("2d");
  one.fillStyle = getComputedStyle(canvas.closest("[role=img]")).color;
  one.fillRect(0, 0, 1, 1);
  const wanted = one.getImageData(0, 0, 1, 1).data;
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 0; at < data.length; at += 4)
    if (data[at + 3] > 128 && [0, 1, 2].every((i) => Math.abs(data[at + i] - wanted[i]) < 24)) count++;
  return count;
})()`;

type Change = Readonly<Record<string, unknown>>;

/**
 * What the server says of environments, changed on its way to the page: states that the `process` driver has not, or has for
 * too short a moment. The page is the real one.
 */
async function pretend(page: Page): Promise<(change: Change) => void> {
  let change: Change = {};
  const changed = (environment: object): object => ({ ...environment, ...change });
  await page.route("**/v1/environments", async (route) => {
    const answer = await route.fetch();
    const { environments } = await answer.json();
    await route.fulfill({ response: answer, json: { environments: environments.map(changed) } });
  });
  await page.routeWebSocket("**/v1/events", (socket) => {
    const server = socket.connectToServer();
    server.onMessage((message) => {
      const { event, data } = JSON.parse(String(message));
      socket.send(event === "environment" ? JSON.stringify({ event, data: changed(data) }) : message);
    });
  });
  return (wanted) => {
    change = wanted;
  };
}

describe.each(["light", "dark"] as const)("axe finds nothing in the %s page", (colorScheme) => {
  let page: PageObject;
  const found: Record<string, string[]> = {};
  const look = async (state: string, at = page.page): Promise<void> => {
    const here = await faults(at);
    if (here.length > 0) found[state] = here;
  };
  const role = (name: Parameters<Page["getByRole"]>[0], options?: Parameters<Page["getByRole"]>[1]) =>
    page.page.getByRole(name, options);
  const button = (name: string | RegExp) => role("button", { name, exact: true });

  const openPage = async (): Promise<void> => {
    page = await signIn(world.browser, world.server, { colorScheme });
    await page.context.addInitScript(AXE);
    // What fades in is half there, and has half its contrast.
    await page.page.emulateMedia({ reducedMotion: "reduce" });
  };

  test("without a session, and at an address that is not there", async () => {
    await openPage();
    await page.page.reload();
    await role("heading", { name: "No environments yet" }).waitFor();
    await look("empty list");
    await button("Options for a new environment").first().click();
    await role("dialog").waitFor();
    await look("options");
    await page.page.keyboard.press("Escape");
    await page.page.goto(`${world.server.url}/none`);
    await role("heading", { name: "There is nothing at this address" }).waitFor();
    await look("unknown path");
    const visitor = await world.browser.newPage({ colorScheme, reducedMotion: "reduce" });
    await visitor.addInitScript(AXE);
    await visitor.goto(world.server.url);
    await visitor.getByText("./microterm open").waitFor();
    await look("sign-in", visitor);
    await visitor.getByRole("button", { name: "Sign in", exact: true }).click();
    await visitor.getByText("Fill this in.").first().waitFor();
    await look("sign-in with faults", visitor);
    const { code } = await world.server.ok("POST", "/v1/invitations", {});
    await visitor.goto(`${world.server.url}/invitation#${code}`);
    await visitor.getByRole("button", { name: "Make my account" }).waitFor();
    await look("invitation", visitor);
    await visitor.goto(`${world.server.url}/invitation#none`);
    await visitor.getByText("This link is not whole").waitFor();
    await look("an invitation that is none", visitor);
    await visitor.goto(`${world.server.url}/reset#${code}`);
    await visitor.getByRole("button", { name: "Set the password" }).waitFor();
    await look("reset", visitor);
    await visitor.close();
    await page.page.goto(`${world.server.url}/e/0123456789ab`);
    await role("heading", { name: "There is no such environment" }).waitFor();
    await look("unknown environment");
    await page.page.goto(world.server.url);
    expect(found).toEqual({});
  });

  test("of accounts and for admins, with all that opens over them", async () => {
    const { name } = await invite(world.server, `person-${colorScheme}`);
    await world.server.ok("PATCH", `/v1/accounts/${name}`, { disabled: true });
    await button("Account: admin").click();
    await role("dialog").waitFor();
    await look("account menu");
    await role("link", { name: "My account" }).click();
    await role("list", { name: "Sessions" }).waitFor();
    await look("account");
    await button("New token").click();
    await button("Make the token").click();
    await look("new token with faults");
    await page.page.getByLabel("Name", { exact: true }).fill("one");
    await role("checkbox", { name: /^see environments/ }).check();
    await button("Make the token").click();
    await button("Done").waitFor();
    await look("token");
    await button("Done").click();
    await page.page.goto(`${world.server.url}/admin/people`);
    await button(`Enable ${name}`).waitFor();
    await look("people");
    await button("Invite people").click();
    await button("Make a link").waitFor();
    await look("invite");
    await button("Make a link").click();
    await button("Done").waitFor();
    await look("invited");
    await button("Done").click();
    for (const [ask, answer] of [
      [`Remove ${name}`, "Keep it"],
      [`New password for ${name}`, "Close"],
    ] as const) {
      await button(ask).click();
      await button(answer).waitFor();
      await look(`asked: ${ask}`);
      await button(answer).click();
    }
    // An act that is in the log.
    await world.server.call("GET", "/v1/audit/export");
    await role("link", { name: "Audit" }).click();
    await role("table").waitFor();
    await look("audit");
    // As it is when a session ends elsewhere.
    await page.page.evaluate("localStorage.setItem('microterm.session-key', 'a'.repeat(24))");
    await button("Look again").click();
    await role("dialog", { name: "Sign in again" }).waitFor();
    await look("sign in again");
    expect(found).toEqual({});
    await page.close();
    await openPage();
    // With axe in it.
    await page.page.reload();
  });

  test("with a terminal, all that opens over it, and a player", async () => {
    await page.createEnvironment();
    await button("Open another tab").click();
    await expect.poll(() => role("tab").count(), { timeout: 60_000 }).toBe(2);
    await page.untilTerminal("live");
    await page.type("printf '\\e[31mred\\e[m text\\n'\n");
    await page.untilScreen(/^red text$/);
    await look("running");
    await button("Why?").click();
    await role("dialog").waitFor();
    await look("why");
    await page.page.keyboard.press("Escape");
    await button(/^Keyboard and screen reader/).click();
    await role("dialog").waitFor();
    await look("settings");
    await page.page.keyboard.press("Escape");
    await button("Usage").click();
    const plots = page.page.locator("[data-usage]").getByRole("img");
    // Three looks: what a plot draws is a line between the shares of two.
    await page.page.locator('[data-usage] [data-samples="3"]').first().waitFor();
    await look("usage");
    const said = await plots.evaluateAll((all) => all.map((one) => one.getAttribute("aria-label") ?? ""));
    expect(said.map((words) => words.replace(/\d+/g, "N"))).toEqual([
      "CPU: N of N %, from N to N since it is shown",
      "Memory: N of N MiB, from N to N since it is shown",
      "Disk: N of N MiB, from N to N since it is shown",
    ]);
    expect(await page.page.evaluate<number>(LINE_PIXELS)).toBeGreaterThan(50);
    await page.page.keyboard.press("Escape");
    for (const [name, answer] of [
      ["Remove", "Keep it"],
      ["Stop", "Keep it running"],
      [/^Close /, "Keep it"],
    ] as const) {
      await button(name).first().click();
      await role("alertdialog").waitFor();
      await look(`asked: ${name}`);
      await button(answer).click();
      await role("alertdialog").waitFor({ state: "detached" });
    }
    await page.drag("drop", { "a.txt": 3 });
    await page.page.getByText(/^Uploaded to/).waitFor();
    await look("an upload");
    await button("Record this terminal").click();
    await button("What was recorded").click();
    await role("menu").waitFor();
    await look("recording, and its menu");
    await role("menuitem", { name: "Play" }).click();
    await page.page.locator('[data-player="ready"]').waitFor();
    await look("player");
    await button("Close").click();
    await page.type("exit\n");
    await page.untilTerminal("exited");
    await look("exited");
    expect(found).toEqual({});
    expect(page.errors).toEqual([]);
  });

  test("in every state of an environment, in its page and in the list", async () => {
    const id = page.environmentId();
    // From here on the page's sockets lead through a route, and learn too late that they are closed.
    const as = await pretend(page.page);
    const soon = new Date(Date.now() + 300_000).toISOString();
    const notice = { code: "expiry", at: soon, isLast: false };
    const states: Readonly<Record<string, Change>> = {
      creating: { state: "creating", operation: "start", step: "kernel" },
      paused: { state: "paused" },
      stopped: { state: "stopped", reason: "it was idle" },
      failed: { state: "failed", reason: "the guest's kernel has panicked" },
      destroying: { state: "destroying" },
      "not responding": { state: "running", unresponsiveSince: new Date().toISOString() },
      "nearly over": { state: "running", notice, expiresAt: soon },
      emulated: { state: "running", isolation: "emulated" },
    };
    for (const [state, change] of Object.entries(states)) {
      as(change);
      await page.page.goto(`${world.server.url}/e/${id}`);
      await page.untilEnvironment(String(change.state));
      await look(state);
      await role("link", { name: "microterm: all environments" }).click();
      await role("table").waitFor();
      await look(`${state} in the list`);
    }
    expect(found).toEqual({});
    await page.close();
  });

  test("while the server is gone", async () => {
    await openPage();
    await page.page.goto(`${world.server.url}/e/${(await world.server.environment()).id}`);
    await page.untilTerminal("live");
    await world.restartServer(async () => {
      await page.page.getByText("The microterm server does not answer").waitFor();
      await page.page.locator('[data-cover="reconnecting"]').waitFor();
      await look("offline");
      await role("link", { name: "microterm: all environments" }).click();
      await role("table").waitFor();
      await look("offline list");
    });
    await page.page.getByText("Running").first().waitFor();
    for (const { id } of (await world.server.ok("GET", "/v1/environments")).environments)
      await world.server.ok("DELETE", `/v1/environments/${id}`);
    expect(found).toEqual({});
    expect(page.errors).toEqual([]);
    await page.close();
  });
});
